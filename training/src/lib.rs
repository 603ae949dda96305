//! Data readers, trainers and evaluation: everything that happens before an artifact is served.

pub mod als;
pub mod data;
pub mod demo;
pub mod evaluate;
pub mod fit;
pub mod histories;
pub mod report;
pub mod sasrec;
