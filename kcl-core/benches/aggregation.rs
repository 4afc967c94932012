use kcl_core::aggregation::md5::*;
use md5::{Digest, Md5};
use std::hint::black_box;
use std::time::Instant;
fn best(mut f: impl FnMut(), bytes: usize) -> f64 {
    let mut b = f64::MAX;
    for _ in 0..30 {
        let t = Instant::now();
        f();
        b = b.min(t.elapsed().as_secs_f64());
    }
    bytes as f64 / b / 1e6
}
fn main() {
    let data: Vec<Vec<u8>> =
        (0..16u8).map(|i| (0..106_560).map(|j: usize| (j as u8).wrapping_mul(31) ^ i).collect()).collect();
    let ms: Vec<&[u8]> = data.iter().map(|d| &d[..]).collect();
    let n = 106_560 * 16;
    let one = best(
        || {
            for d in &data {
                black_box(Md5::digest(d));
            }
        },
        n,
    );
    let w = best(
        || {
            black_box(digests(&ms));
        },
        n,
    );
    let p = best(
        || {
            black_box(digests_portable(&ms));
        },
        n,
    );
    println!("one {one:.0} wide {w:.0} {:.2} portable {p:.0} {:.2}", w / one, p / one);
    let ms: Vec<&[u8]> = (0..400).map(|i| &data[i % 16][..(i * 7919) % 51200]).collect();
    let n = ms.iter().map(|m| m.len()).sum();
    let one = best(
        || {
            for d in &ms {
                black_box(Md5::digest(d));
            }
        },
        n,
    );
    let w = best(
        || {
            black_box(digests(&ms));
        },
        n,
    );
    let p = best(
        || {
            black_box(digests_portable(&ms));
        },
        n,
    );
    println!("mixed: one {one:.0} wide {w:.0} {:.2} portable {p:.0} {:.2}", w / one, p / one);
}
