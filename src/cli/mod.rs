//! People and scripts: arguments, rendering, progress, exit codes. The only floor that prints, and reads clock and environment.
