// What a configuration file may say, and what is said of one that is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig, parseConfigDefaults } from "../../schema/config.ts";
import { PfsError } from "../../schema/errors.ts";
import { refuseSecrets, SECRETS } from "../secrets.ts";

const FILE = "/etc/pfs/config.json";

function refusalOf(config: unknown): string {
  const json = typeof config === "string" ? config : JSON.stringify(config);
  try {
    parseConfig(json, FILE);
  } catch (error) {
    assert.ok(error instanceof PfsError && error.code === "USAGE", String(error));
    assert.match(error.hint ?? "", /^Known keys are /);
    return error.message;
  }
  assert.fail(`not refused: ${json}`);
}

test("a configuration holds a store, an agent, an HTTP address, books and mounts, and none of them must be there", () => {
  const { books, mounts, remotes, access, ...rest } = parseConfig(
    JSON.stringify({
      store: "/srv/store",
      agent: "ci",
      http: "9130",
      cache_limit: 20_000_000_000,
      check_interval: "12h",
      retention: "30d",
      books: [{ book: "my-book", schema: "docusaurus" }],
      mounts: [
        { book: "my-book", directory: "/srv/book" },
        { book: "my-book", directory: "/srv/alice", options: "user=alice,agent=alice,delete=hide,_netdev" },
      ],
    }),
    FILE,
  );
  assert.deepEqual(rest, {
    store: "/srv/store",
    agent: "ci",
    http: { host: "127.0.0.1", port: 9130 },
    cacheLimitBytes: 20_000_000_000,
    checkIntervalMs: 43_200_000,
    retention: 30 * 86_400_000,
  });
  assert.deepEqual([remotes, access], [[], undefined]);
  assert.deepEqual(books, [{ bookId: "my-book", profileJson: "docusaurus" }]);
  assert.deepEqual(
    mounts.map(({ directory, options: { userId, agent, deleteMode } }) => [
      directory,
      userId,
      agent,
      deleteMode,
    ]),
    [
      ["/srv/book", undefined, undefined, "revert"],
      ["/srv/alice", "alice", "alice", "hide"],
    ],
  );
  assert.deepEqual(parseConfig("{}", FILE), {
    store: undefined,
    agent: undefined,
    http: undefined,
    cacheLimitBytes: undefined,
    checkIntervalMs: undefined,
    retention: undefined,
    books: [],
    mounts: [],
    remotes: [],
    access: undefined,
  });
});

test("check_interval: a number of seconds to weeks, or off", () => {
  const intervalOf = (given: string) =>
    parseConfig(JSON.stringify({ check_interval: given }), FILE).checkIntervalMs;
  assert.deepEqual(["1s", "2m", "3h", "1d", "2w", "off"].map(intervalOf), [
    1000,
    120_000,
    10_800_000,
    86_400_000,
    1_209_600_000,
    Number.POSITIVE_INFINITY,
  ]);
  assert.equal(parseConfig("{}", FILE).checkIntervalMs, undefined);
});

test("a configuration says where books are shared, never with a password, which is not repeated either", () => {
  const blobs = "s3://bucket/books?region=auto";
  const log = "postgres://pfs@db.example/books";
  const { remotes } = parseConfig(
    JSON.stringify({
      remotes: [
        { book: "my-book", log, blobs },
        { book: "other", blobs: "file:///srv/remote" },
        { book: "elsewhere" },
      ],
    }),
    FILE,
  );
  assert.deepEqual(remotes, [
    { bookId: "my-book", log, blobs },
    { bookId: "other", log: undefined, blobs: "file:///srv/remote" },
    { bookId: "elsewhere", log: undefined, blobs: undefined },
  ]);
  const told = refusalOf({
    remotes: [{ book: "my-book", log: `postgres://pfs:${SECRETS.urlPassword}@db.example/books`, blobs }],
  });
  assert.match(told, /remotes\[0\]\.log holds a password: it must be a URL without a password/);
  refuseSecrets("the refusal", told);
  const twice = { book: "my-book", blobs };
  assert.match(refusalOf({ remotes: [twice, twice] }), /shares the book my-book twice/);
});

test("a configuration says which Unix user may mount which books as whom, and whom else to name", () => {
  const socket = "/run/pfs/access.sock";
  const rule = { unix_user: "bob", users: ["bob"], agents: ["bob", "claude-7"] };
  const { access } = parseConfig(
    JSON.stringify({ access: { socket, rules: [rule, { ...rule, books: ["my-book"] }] } }),
    FILE,
  );
  const parsed = { unixUser: "bob", bookIds: undefined, userIds: ["bob"], agents: ["bob", "claude-7"] };
  assert.deepEqual(access, { socket, rules: [parsed, { ...parsed, bookIds: ["my-book"] }] });
  const wrong: [rule: object, message: RegExp][] = [
    [{ ...rule, users: [] }, /access\.rules\[0\]\.users must name one at least/],
    [
      { ...rule, users: ["__base__"] },
      /access\.rules\[0\]\.users\[0\] is not valid: "__base__" is not a user id/,
    ],
    [
      { ...rule, agents: ["system"] },
      /access\.rules\[0\]\.agents\[0\] is not valid: "system" is not an agent/,
    ],
    [{ ...rule, unix_user: 7 }, /access\.rules\[0\]\.unix_user must be text/],
    [{ ...rule, user: "bob" }, /access\.rules\[0\]: the key "user" is not known/],
  ];
  for (const [rule, message] of wrong)
    assert.match(refusalOf({ access: { socket, rules: [rule] } }), message);
  assert.match(refusalOf({ access: { socket: "x", rules: [] } }), /access\.socket must be an absolute path/);
});

test("what is wrong in a configuration is said with the key, what it is and what it should be", () => {
  const mount = { book: "my-book", directory: "/srv/book" };
  const cases: [config: unknown, message: string][] = [
    ["[]", "the file must be an object in braces, not an empty list."],
    ['"a secret"', "the file must be an object in braces, not a text."],
    [
      { stor: "/srv" },
      'the key "stor" is not known: known are store, agent, http, cache_limit, check_interval, retention, books, mounts, remotes and access.',
    ],
    [{ store: 1 }, "store must be text in quotes, not 1."],
    [{ store: null }, "store must be text in quotes, not null."],
    [{ store: "srv" }, 'store must be an absolute path, not "srv".'],
    [
      { agent: "system" },
      'agent is not valid: "system" is not an agent: every change needs one who answers for it. Name one, such as agent=alice or agent=claude-lesson-writer-7.',
    ],
    ...[
      ["10 GB", "a text"],
      [-1, "-1"],
      [0.5, "0.5"],
    ].map(([given, shown]): [unknown, string] => [
      { cache_limit: given },
      `cache_limit must be a whole number of bytes, 0 or more, without quotes, not ${shown}.`,
    ]),
    [
      { retention: "90" },
      'retention is not valid: "90" is no time for which rows of the log stay. It is a number of days such as 90d, or forever.',
    ],
    ...["12", "0h", "h", "2y", "400d", "-1h", "on"].map((given): [unknown, string] => [
      { check_interval: given },
      `check_interval must be a time such as "12h" or "7d", up to a year, or "off", not "${given}".`,
    ]),
    [
      { http: "a:b" },
      'http is not valid: "a:b" is no address to listen on. Name a port, such as 9130, which is then reached from this machine only, or ADDRESS:PORT, such as 0.0.0.0:9130.',
    ],
    [{ mounts: {} }, "mounts must be a list in brackets, not an object."],
    [{ mounts: [3] }, "mounts[0] must be an object in braces, not 3."],
    [{ mounts: [{ book: "my-book" }] }, "mounts[0].directory is missing: it must be text in quotes."],
    [
      { mounts: [{ ...mount, book: "My" }] },
      'mounts[0].book is not valid: "My" is not a book id. A book id is 3 to 50 of a-z, 0-9 and hyphen, such as my-book.',
    ],
    [
      { mounts: [mount, { ...mount, directory: "/srv/book/" }] },
      'mounts two books on "/srv/book", which can show one.',
    ],
    [
      { books: [mount, mount].map(({ book }) => ({ book, schema: "any" })) },
      "names the book my-book twice: once is enough.",
    ],
    [
      { mounts: [{ ...mount, user: "alice" }] },
      'mounts[0]: the key "user" is not known: known are book, directory and options.',
    ],
    [
      { remotes: [{ book: "my-book", blobs: "bucket" }] },
      "remotes[0].blobs is no URL: it must be a URL without a password, which comes from DATABASE_URL or PGPASSWORD.",
    ],
    [
      { mounts: [{ ...mount, options: "usr=alice" }] },
      'mounts[0].options is not valid: The mount option "usr=alice" is not known. Known are agent=NAME, user=NAME, check=seen|require|off, delete=revert|hide, sync=background|strict, at=REF, transport=kernel|fuse-native, ro, rw and allow_other, and the ordinary words of mount(8) such as noatime.',
    ],
    [
      { books: [{ book: "my-book" }] },
      'books[0].schema is missing: A schema is {"name": "my-book", "patterns": ["content/{NN-Name}/*.md"], "symlinks": false}.',
    ],
    [
      { books: [{ book: "my-book", schema: "loose" }] },
      'books[0].schema is not valid: There is no built-in schema named "loose". The built-in ones are strict, docusaurus, any; for one of your own name a JSON file.',
    ],
  ];
  for (const [config, message] of cases)
    assert.equal(refusalOf(config), `The configuration ${FILE}: ${message}`);
  assert.match(refusalOf('{"store":'), /^The configuration \S+: it is not JSON: /);
});

test("commands take store and agent of a configuration whatever else is wrong with it", () => {
  const json = JSON.stringify({ store: "/srv/store", mounts: 7, unknown: true });
  assert.deepEqual(parseConfigDefaults(json, FILE), { store: "/srv/store" });
  assert.throws(() => parseConfigDefaults('{"store": "srv"}', FILE), PfsError);
});
