/** Owns the proof that tools' temporary names are scratch and ordinary names are not (S1). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import { builtInProfile } from "../../schema/profiles.ts";
import { isDecoration, isScratchName } from "../../schema/scratch.ts";

const scratch: Record<string, string[]> = {
  "vim and nano": [
    ".x.swp",
    ".01-intro.md.swp",
    ".01-intro.md.swo",
    ".x.swn",
    ".x.swx",
    ".x.swa",
    ".swp",
    "4913",
    "x~",
    "01-intro.md~",
    ".x.un~",
  ],
  emacs: [".#01-intro.md", "#01-intro.md#", "01-intro.md~", "01-intro.md.~3~", "tmpH9kfYP"],
  patch: ["01-intro.md.o2m5Iid", "01-intro.md.rabcdef", "conf.py.iAAAAAA"],
  sed: ["sedAbC123", "sedabcdef", "sed000000"],
  perl: ["XXxmjYvK", "XXVbQIVi", "XX000000"],
  gnome: [".goutputstream-AB12CD"],
  "atomic writers": [
    "x.tmp",
    "a.md.tmp",
    "a.md.tmp.1234.567",
    "lesson.md.1234567",
    "package.json.3912847561",
    ".steno.json.tmp",
    "a.json.tmp-1234567890abcdef",
    "tmpab12_xyz",
    ".tmpAb12Cd",
    ".lesson.md123456789",
    ".tmpab12_xyz",
    ".tmp-1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
  ],
  JetBrains: ["a.md___jb_tmp___", "a.md___jb_old___"],
  office: [".~lock.a.odt#", "lu12345abc.tmp", "~$a.docx"],
  rsync: [".01-intro.md.AbC123", ".x.a1b2c3", ".LICENSE.Qwerty", ".01-intro.md.abcxyz", ".~tmp~"],
  systems: [
    ".DS_Store",
    "._a.md",
    ".git",
    ".nfs0000000000a1b2c300000001",
    ".fuse_hidden0000001200000003",
    ".a.md.kate-swp",
  ],
};

const ordinary = [
  "01-intro.md",
  "01-intro.summary.md",
  "README.md",
  "report.2024",
  "v1.2.3456",
  "x.log.1",
  "libx.so.6",
  "file.3",
  "2024",
  "5036",
  "49130",
  ".gitignore",
  ".gitkeep",
  ".github",
  ".gitmodules",
  ".eslintrc.config",
  ".foo.config",
  ".travis.yml.sample",
  ".env",
  ".env.sample",
  ".nojekyll",
  ".bashrc",
  "sed",
  "sedentary",
  "sediments",
  "sedation",
  "sedAbC12",
  "sedAbC1234",
  "tmp",
  "tmpfile",
  "tmpH9kfYP.md",
  "01-intro.md.release",
  "01-intro.md.oldnotes",
  "Makefile.o2m5Iid",
  "tmp-notes.md",
  "template.md",
  "x.swp",
  "XX",
  "XXL-shirt",
  "XXxmjYv",
  "tmpl",
  "a#b",
  "#heading",
  "c#",
  "_category_.json",
  "~",
  "a.tmpl",
  "a.template",
  "lesson.md",
  ".x.swan",
  ".nfs",
  "nohup",
  "a-b_c.d",
  ".",
  "",
];

const strict = builtInProfile("strict");
const inStrict = (name: string) => strict.matchesFile(`content/01-Part/01-Chapter/${name}`);

describe("scratch", () => {
  for (const [tool, names] of Object.entries(scratch)) {
    test(`S1: what ${tool} leave beside a file is scratch`, () => {
      for (const name of names) assert.ok(isScratchName(name), name);
    });
  }

  test("S1: ordinary names are not scratch", () => {
    for (const name of ordinary) assert.ok(!isScratchName(name), name);
  });

  test("S1: no path of the strict schema has a scratch name", () => {
    const words = fc.string({
      unit: fc.constantFrom(..."abzAZ019-tmpsedXX".split("")),
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.nat(99), words, fc.boolean(), (number, word, summary) => {
        const name = `${String(number).padStart(2, "0")}-${word}${summary ? ".summary" : ""}.md`;
        if (inStrict(name)) assert.ok(!isScratchName(name), name);
      }),
    );
  });

  test("S1: a decoration of a valid sibling name is scratch", () => {
    const decorated = [
      "01-intro.md.bak",
      "01-intro.md.orig",
      "01-intro.md-1234",
      "01-intro.md_x",
      "01-intro.md#",
      "01-intro.md;1",
      "01-intro.md~1~",
    ];
    decorated.push(
      ".01-intro.md",
      "_01-intro.md",
      "#01-intro.md",
      "~01-intro.md",
      ".#01-intro.md",
      ".~01-intro.md",
      "._01-intro.md",
      ".~lock.01-intro.md#",
    );
    decorated.push(".01-intro.md.XyZ", "01-intro.md.7", "01-intro.summary.md.new", ".01-intro.md-x.y");
    for (const name of decorated) {
      assert.ok(!inStrict(name), name);
      assert.ok(isDecoration(name, inStrict), name);
    }
  });

  test("S1: what decorates nothing valid is no scratch", () => {
    for (const name of [
      "",
      ".",
      "foo.md",
      "1-intro.md",
      "01-intro.mdx",
      "01-intro.txt",
      "01-intro",
      ".foo.md",
      "README.md.bak",
      "x01-intro.md",
      "01-intro.mdbak",
    ]) {
      assert.ok(!isDecoration(name, inStrict), name);
    }
  });

  test("the sibling rule asks a bounded number of times", () => {
    for (const name of [".".repeat(255), "#".repeat(255), ".~lock.".repeat(36), "-_;".repeat(85)]) {
      let asked = 0;
      assert.equal(
        isDecoration(name, () => ++asked < 0),
        false,
      );
      assert.ok(asked <= 5 * 255, `${asked} for ${name.slice(0, 10)}`);
    }
  });

  test("any text gets an answer", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."a.~#-_;0Z\n é".split("")), maxLength: 255 }),
        (name) => {
          assert.equal(typeof isScratchName(name), "boolean");
          assert.equal(typeof isDecoration(name, inStrict), "boolean");
        },
      ),
    );
  });
});
