// The exponential moving average of a line: what is drawn over it, and never instead of it.

// `weight`: of what came before, from 0 to less than 1. Its beginning counts no more than the rest.
export function smoothed(values, weight) {
  let sum = 0;
  let parts = 0;
  return values.map((value) => {
    if (value == null) return null;
    sum = weight * sum + (1 - weight) * value;
    parts = weight * parts + (1 - weight);
    return sum / parts;
  });
}
