// A run's measurements along a horizontal axis.

// `run`: its `samples` (at: steps) and `epochs` (at, seconds), its batches an epoch and the images
// of a batch. Returns the places and the values, of those that were measured.
export function along(run, value, axis) {
  const isOfSteps = value in run.samples;
  const { at, [value]: values } = isOfSteps ? run.samples : run.epochs;
  const steps = isOfSteps ? at : at.map((epoch) => epoch * run.batches);
  const place = PLACES[axis](run);
  const [x, y] = [[], []];
  steps.forEach((step, n) => {
    const found = place(step);
    if (values[n] == null || found == null) return;
    x.push(found);
    y.push(values[n]);
  });
  return { x, y };
}

const PLACES = {
  epoch: (run) => (step) => (run.batches ? step / run.batches : null),
  step: () => (step) => step,
  images: (run) => (step) => step * run.images,
  time: trainedFor,
};

// Seconds of training at a step: between the ends of epochs as if its steps took the same time.
function trainedFor({ batches, epochs: { at, seconds } }) {
  return (step) => {
    const epoch = batches ? step / batches : 0;
    if (!at.length) return null;
    let n = at.findIndex((end) => end >= epoch);
    if (n < 0) n = at.length - 1; // of the epoch under way: as fast as the last one
    const [from, to] = [n ? at[n - 1] : 0, at[n]];
    const [before, after] = [n ? seconds[n - 1] : 0, seconds[n]];
    return before + ((epoch - from) / (to - from)) * (after - before);
  };
}
