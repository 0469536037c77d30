//! Openings: what the low-degree test starts from, at the query positions (stwo's core/pcs/quotients.rs).
//!
//! Each opened value `v` of a column `f` at a point `q` of the circle over `K` is a quotient: `f` less the line
//! through `(q.y, v)` and its conjugate, divided by the line through `q` and its conjugate. With `C = conj(q.y) -
//! q.y` and the powers `k` of one challenge, all quotients at `q` are
//!
//!     (C sum(k f) - y sum(k a) - sum(k b)) / line(x, y),   a = conj(v) - v,   b = C v - a q.y
//!
//! so that a query needs one scalar product for each point.
//!
//! Points: the out-of-domain point for all columns; the row before it for columns opened there; and for these,
//! for each height of table, that point moved by the period of a table of that height.
//!
//! | module | idea |
//! |---|---|
//! | `coefficients` | which power belongs to which value |
//! | `lines` | `sum(k a)` and `sum(k b)` at each point, from the out-of-domain values |
//! | `rows` | the quotients at the query positions, from the queried rows |

pub mod coefficients;
pub mod lines;
pub mod rows;
