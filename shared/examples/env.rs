//! Prints `.env.example`.

fn main() {
    print!("{}", shared::config::env_example());
}
