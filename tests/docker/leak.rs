//! Program for the docker tier with faults that the simulated server only models: memory that is
//! really allocated until the kernel kills the process, a log that really exceeds its file's size,
//! and a log that never ends. The tier compiles it; it starts the simulated server as its child.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let mut server = Command::new("/longhaul").args(arguments).spawn().expect("a server");
    match what.as_str() {
        "leak" => {
            let mut held = Vec::new();
            // Only once it is asked to, by a file that whoever tests it puts there.
            while !std::path::Path::new("/leak-now").exists() {
                sleep(Duration::from_millis(50));
            }
            loop {
                held.push(vec![1_u8; 4 << 20]);
                sleep(Duration::from_millis(5));
            }
        }
        "lines" => {
            for line in 0..4_000 {
                println!("line {line:05} of a log that runs over the size of its file");
                sleep(Duration::from_millis(2));
            }
        }
        "ticks" => {
            for tick in 0.. {
                println!("tick {tick:05} of a server that goes on");
                sleep(Duration::from_millis(200));
            }
        }
        _ => {}
    }
    let _ = server.wait();
}
