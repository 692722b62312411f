/**
 * Owns metrics as plain data that crosses threads: what prom-client's `AggregatorRegistry.aggregate` takes and writes as text.
 * Labels have few values, known beforehand: never a path, an agent or a user. Must never write the text.
 */
type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Of a histogram's parts. */
  readonly metricName?: string;
}

/** One metric with all its label values. */
export interface MetricFamily {
  readonly name: `pfs_${string}`;
  /** One sentence. */
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly aggregator: "sum";
  readonly values: readonly Sample[];
}

/** A value that is as it is at this moment. */
export function gauge(
  name: MetricFamily["name"],
  help: string,
  value: number | readonly Sample[],
): MetricFamily {
  const values = typeof value === "number" ? [{ labels: {}, value }] : value;
  return { name, help, type: "gauge", aggregator: "sum", values };
}

/** A value that only grows while the process lives. */
export function counter(name: MetricFamily["name"], help: string, value: number): MetricFamily {
  return { name, help, type: "counter", aggregator: "sum", values: [{ labels: {}, value }] };
}

/** Counts what happens, by labels. */
export class LabelledCount<Name extends string> {
  readonly #name: MetricFamily["name"];
  readonly #help: string;
  readonly #counts = new Map<string, { readonly labels: Readonly<Record<Name, string>>; value: number }>();

  /**
   * @param known labels that are there from the start, with 0: of a series that is born with its first event Prometheus'
   * increase() and rate() do not see that one
   */
  constructor(
    name: MetricFamily["name"],
    help: string,
    known: readonly Readonly<Record<Name, string>>[] = [],
  ) {
    this.#name = name;
    this.#help = help;
    for (const labels of known) this.#counts.set(keyOf(labels), { labels, value: 0 });
  }

  /** Always the same names, in the same order. */
  add(labels: Readonly<Record<Name, string>>): void {
    const key = keyOf(labels);
    const count = this.#counts.get(key);
    if (count === undefined) this.#counts.set(key, { labels, value: 1 });
    else count.value++;
  }

  family(): MetricFamily {
    const values = [...this.#counts.values()].map(({ labels, value }) => ({ labels, value }));
    return { name: this.#name, help: this.#help, type: "counter", aggregator: "sum", values };
  }
}

function keyOf(labels: Labels): string {
  return Object.values(labels).join();
}

/** Counts values by how large they are. */
export class Histogram {
  readonly #name: MetricFamily["name"];
  readonly #help: string;
  readonly #bounds: readonly number[];
  /** One for each bound, and one for what is over all of them. */
  readonly #counts: number[];
  #sum = 0;

  /** `bounds` ascend. */
  constructor(name: MetricFamily["name"], help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = [...bounds, 0].map(() => 0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] as number)) at++;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  family(): MetricFamily {
    const name = this.#name;
    const values: Sample[] = [];
    let total = 0;
    for (const [at, count] of this.#counts.entries()) {
      total += count;
      const le = at < this.#bounds.length ? `${this.#bounds[at]}` : "+Inf";
      values.push({ labels: { le }, value: total, metricName: `${name}_bucket` });
    }
    values.push({ labels: {}, value: this.#sum, metricName: `${name}_sum` });
    values.push({ labels: {}, value: total, metricName: `${name}_count` });
    return { name, help: this.#help, type: "histogram", aggregator: "sum", values };
  }
}

/** Counts values by labels and by how large they are. */
export class LabelledHistogram<Name extends string> {
  readonly #name: MetricFamily["name"];
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #histograms = new Map<
    string,
    { readonly labels: Readonly<Record<Name, string>>; readonly histogram: Histogram }
  >();

  /** `bounds` ascend. */
  constructor(name: MetricFamily["name"], help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
  }

  /** Always the same names, in the same order. */
  observe(labels: Readonly<Record<Name, string>>, value: number): void {
    const key = Object.values(labels).join();
    let found = this.#histograms.get(key);
    if (found === undefined) {
      found = { labels, histogram: new Histogram(this.#name, this.#help, this.#bounds) };
      this.#histograms.set(key, found);
    }
    found.histogram.observe(value);
  }

  family(): MetricFamily {
    const values = [...this.#histograms.values()].flatMap(({ labels: own, histogram }) =>
      histogram.family().values.map((sample) => ({ ...sample, labels: { ...own, ...sample.labels } })),
    );
    return { name: this.#name, help: this.#help, type: "histogram", aggregator: "sum", values };
  }
}
