//! Does a quantity grow? A straight line through its readings, and how sure of its slope one is.

/// The slope of a straight line, and a range that holds the true one with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Growth for each unit of `x`.
    pub slope: f64,
    /// Half the width of the range.
    pub margin: f64,
}

impl Slope {
    /// Fits a line through the means of `blocks` stretches of the readings: neighbours resemble
    /// each other, and taken one by one they would pretend to know more than they do.
    pub fn fit(readings: &[(f64, f64)], blocks: usize) -> Option<Self> {
        let each = (readings.len() / blocks.max(1)).max(1);
        let means: Vec<(f64, f64)> = readings
            .chunks_exact(each)
            .map(|block| {
                let sum = block
                    .iter()
                    .fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x, sum.1 + y));
                (sum.0 / each as f64, sum.1 / each as f64)
            })
            .collect();
        let count = means.len();
        if count < 3 {
            return None;
        }
        let n = count as f64;
        let mean_x = means.iter().map(|(x, _)| x).sum::<f64>() / n;
        let mean_y = means.iter().map(|(_, y)| y).sum::<f64>() / n;
        let spread = means.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
        let together = means
            .iter()
            .map(|(x, y)| (x - mean_x) * (y - mean_y))
            .sum::<f64>();
        let slope = together / spread;
        let residual = means
            .iter()
            .map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2))
            .sum::<f64>();
        let error = (residual / (n - 2.0) / spread).sqrt();
        Some(Self {
            slope,
            margin: student(count - 2) * error,
        })
    }

    /// Whether growth is at most `bound`: the range holds zero, or ends below it.
    pub fn stays_below(&self, bound: f64) -> bool {
        let (low, high) = (self.slope - self.margin, self.slope + self.margin);
        low <= 0.0 || high <= bound
    }
}

/// The two-sided 95 % quantile of Student's distribution.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=10 => TABLE[freedom - 1],
        11..=20 => 2.201 - (freedom - 11) as f64 * 0.0128,
        21..=30 => 2.080 - (freedom - 21) as f64 * 0.0042,
        _ => 2.04,
    }
}
