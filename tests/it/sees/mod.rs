//! What a backup sees: each row of the design's table, with bytes as a server would write them, through a whole backup.

mod another;
mod damage;
mod forks;
mod lab;
mod lag;
mod moving;
mod reading;
mod versions;
mod watching;
