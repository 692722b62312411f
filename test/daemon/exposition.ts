/**
 * Reads Prometheus' text format as strictly as it is written down, for tests of metrics.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import assert from "node:assert/strict";

export interface Exposed {
  readonly type: string;
  readonly help: string;
  /** By name and labels, as in `pfs_x_bucket{le="1"}`. */
  readonly samples: ReadonlyMap<string, number>;
}

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;

/** Every family by name. Fails for what is not in the format, and for histograms that do not add up. */
export function parseExposition(text: string): Map<string, Exposed> {
  assert.ok(text.endsWith("\n"));
  const families = new Map<string, { type: string; help: string; samples: Map<string, number> }>();
  let current = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) {
      current = help[1] as string;
      assert.ok(!families.has(current), `${current} twice`);
      families.set(current, { type: "", help: help[2] as string, samples: new Map() });
      continue;
    }
    const family = families.get(current);
    assert.ok(family, line);
    if (type !== null) {
      assert.equal(type[1], current);
      family.type = type[2] as string;
      continue;
    }
    const sample = SAMPLE.exec(line);
    assert.ok(sample, `no sample: ${line}`);
    const [, name = "", labels, value] = sample;
    const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    assert.ok(
      suffixes.some((suffix) => name === `${current}${suffix}`),
      line,
    );
    const key = labels === undefined ? name : `${name}{${labels}}`;
    assert.ok(!family.samples.has(key), `${key} twice`);
    assert.ok(Number.isFinite(Number(value)), line);
    family.samples.set(key, Number(value));
  }
  for (const [name, { type, samples }] of families) if (type === "histogram") addUp(name, samples);
  return families;
}

function addUp(name: string, samples: ReadonlyMap<string, number>): void {
  const buckets = [...samples].filter(([key]) => key.startsWith(`${name}_bucket`)).map(([, value]) => value);
  assert.ok(
    buckets.every((value, at) => at === 0 || value >= (buckets[at - 1] as number)),
    name,
  );
  assert.equal(samples.get(`${name}_bucket{le="+Inf"}`), samples.get(`${name}_count`));
}
