//! The driver is changed while it is used: a new version of it, other values of the chart. Nothing runs beside these scenarios.

mod rolling;
