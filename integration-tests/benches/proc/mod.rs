//! What Linux says of a process, named by its number or as `self`.

use std::fmt::Display;
use std::fs;

/// `/proc` counts processor time in hundredths of a second, whatever the kernel's clock (`USER_HZ`).
const TICKS_PER_SEC: f64 = 100.0;

/// The processor time of a process, user and system, without its children's.
pub(crate) fn cpu_secs(process: impl Display) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The twelfth and thirteenth word behind the program's name, which stands in brackets and may have spaces.
    let words = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    words.map(|word| word.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SEC
}

/// The memory of a process that is resident.
#[allow(dead_code, reason = "not every benchmark that uses this module asks for it")]
pub(crate) fn resident_kib(process: impl Display) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
