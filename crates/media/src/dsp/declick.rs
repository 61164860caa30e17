//! Makes one sound follow another without a jump.

use crate::frame::CHANNELS;

/// Where a new sound begins at another value than the old one ended, the difference is added and
/// taken away again within [`Declick::LENGTH`] samples.
///
/// Real-time: never allocates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declick {
    last: [f32; CHANNELS],
    armed: bool,
    rest: [f32; CHANNELS],
    /// Samples until the difference is gone.
    left: usize,
}

impl Declick {
    /// 5 ms.
    pub(crate) const LENGTH: usize = 240;

    /// Says that the next sample does not belong to those before.
    pub(crate) fn arm(&mut self) {
        self.armed = true;
    }

    /// Says which sample was heard last, if it did not pass here.
    pub(crate) fn follow(&mut self, last: [f32; CHANNELS]) {
        self.last = last;
    }

    pub(crate) fn process(&mut self, block: &mut [f32]) {
        let samples = block.as_chunks_mut::<CHANNELS>().0;
        let Some(first) = samples.first() else { return };
        if std::mem::take(&mut self.armed) {
            self.rest = std::array::from_fn(|channel| self.last[channel] - first[channel]);
            self.left = Self::LENGTH;
        }
        for sample in samples.iter_mut().take(self.left) {
            // Half a cosine, so that the slope has no corner at either end.
            let place = self.left as f32 / Self::LENGTH as f32;
            let weight = place * place * (3.0 - 2.0 * place);
            for (value, rest) in sample.iter_mut().zip(self.rest) {
                *value += rest * weight;
            }
            self.left -= 1;
        }
        self.last = samples.last().copied().unwrap_or(self.last);
    }
}
