//! What the operating system says of this process, read when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::registry::Registry;

/// What the operating system says of this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// Memory in use, in bytes.
    pub resident_bytes: u64,
    /// Processor time used so far, by all threads, in seconds.
    pub cpu_s: f64,
    /// Threads.
    pub threads: u64,
    /// Open files and sockets.
    pub open_files: u64,
}

impl Facts {
    /// Reads them; `None` where there is no `/proc`.
    pub fn read() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
        Self::parse(&status, &stat, files as u64)
    }

    fn parse(status: &str, stat: &str, open_files: u64) -> Option<Self> {
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        // The name of the program may hold anything, spaces and brackets included.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Self {
            resident_bytes: number("VmRSS:")? * 1_024,
            cpu_s: (ticks()? + ticks()?) as f64 / TICKS_A_SECOND,
            threads: number("Threads:")?,
            open_files,
        })
    }
}

pub(super) fn register(registry: &mut Registry) {
    let registry = registry.sub_registry_with_prefix("process");
    let names = [
        ("resident_memory", Some(Unit::Bytes), MetricType::Gauge),
        ("cpu", Some(Unit::Seconds), MetricType::Counter),
        ("threads", None, MetricType::Gauge),
        ("open_files", None, MetricType::Gauge),
    ];
    registry.register_collector(&names, Process);
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(facts) = Facts::read() else {
            return Ok(());
        };
        let memory = ConstGauge::new(facts.resident_bytes as i64);
        let unit = Some(&Unit::Bytes);
        let descriptor = ("resident_memory", "Memory in use");
        memory.encode(encoder.encode_descriptor(
            descriptor.0,
            descriptor.1,
            unit,
            memory.metric_type(),
        )?)?;
        let cpu = ConstCounter::new(facts.cpu_s);
        cpu.encode(encoder.encode_descriptor(
            "cpu",
            "Processor time used so far",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        for (name, help, value) in [
            ("threads", "Threads", facts.threads),
            ("open_files", "Open files and sockets", facts.open_files),
        ] {
            let gauge = ConstGauge::new(value as i64);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// What the kernel counts processor time in for user programs, on every platform.
const TICKS_A_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_whatever_the_program_is_called() {
        let status = "Name:\tx\nVmRSS:\t    1200 kB\nThreads:\t7\n";
        let stat = "1 (a ) b (c)) S 0 1 1 0 -1 4194560 5 0 0 0 150 25 0 0 20 0 7 0 100 5 6";
        let facts = Facts {
            resident_bytes: 1_228_800,
            cpu_s: 1.75,
            threads: 7,
            open_files: 3,
        };
        assert_eq!(Facts::parse(status, stat, 3), Some(facts));
        assert_eq!(Facts::parse("", stat, 3), None);
        assert_eq!(Facts::parse(status, "", 3), None);
    }

    #[test]
    fn this_process_has_facts() {
        let facts = Facts::read().expect("there is a /proc");
        assert!(facts.resident_bytes > 100_000, "{facts:?}");
        assert!(facts.threads >= 1 && facts.open_files >= 1, "{facts:?}");
    }
}
