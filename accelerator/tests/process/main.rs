//! The binary as a process: what keeps it from starting, what it is told while it runs, and how it stops.

#[cfg(test)]
mod changing;
#[cfg(test)]
mod running;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod stopping;
