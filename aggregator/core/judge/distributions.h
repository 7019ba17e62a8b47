#pragma once

// The few distributions that the judge needs, accurate to about 1e-12 relative over the ranges it
// uses.

namespace serin::judge {

/// Density of Student's t with `df` degrees of freedom.
double student_density(double x, double df);
/// P(T > x).
double student_tail(double x, double df);
/// x with P(T > x) = p, for p in (0, 0.5].
double student_upper_quantile(double p, double df);
/// x with P(Z > x) = p of the standard normal distribution, for p in (0, 0.5].
double normal_upper_quantile(double p);

}  // namespace serin::judge
