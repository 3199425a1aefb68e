// A published network in the page: onnxruntime as WebAssembly, and the file that the run published.

async function bytesAt(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  if (!address.startsWith("data:application/gzip")) return answer.arrayBuffer();
  return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

export class Model {
  // `addresses`: of the runtime's script, of its program, and of the network.
  static async load({ script, program, network }) {
    const [runtime, wasmBinary, file] = await Promise.all([import(script), bytesAt(program), bytesAt(network)]);
    Object.assign(runtime.env.wasm, { numThreads: 1, wasmBinary }); // threads would need another origin policy
    runtime.env.logLevel = "error";
    const options = { executionProviders: ["wasm"] };
    return new Model(runtime, await runtime.InferenceSession.create(new Uint8Array(file), options));
  }

  constructor(runtime, session) {
    this.runtime = runtime;
    this.session = session;
  }

  // The scores of some images, an array for each. `images`: count x channels x size x size values
  // from 0 to 1, one after the other.
  async scores(images, { channels, size }) {
    const count = images.length / (channels * size * size);
    const tensor = new this.runtime.Tensor("float32", images, [count, channels, size, size]);
    const { scores } = await this.session.run({ images: tensor }, ["scores"]);
    const classes = scores.dims[1];
    return Array.from({ length: count }, (_, n) => scores.data.slice(n * classes, (n + 1) * classes));
  }

  // What comes out of each layer for one image, first to last: values, and (channels, height, width).
  // Empty where the file has the scores alone, or the network no maps.
  async maps(image, { channels, size }) {
    const names = this.session.outputNames.filter((name) => name.startsWith("maps_"));
    if (!names.length) return [];
    const tensor = new this.runtime.Tensor("float32", image, [1, channels, size, size]);
    const found = await this.session.run({ images: tensor }, names);
    return names.map((name) => ({ values: found[name].data, dims: found[name].dims.slice(1) }));
  }
}

// Softmax.
export function probabilities(scores) {
  const largest = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}
