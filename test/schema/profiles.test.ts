/** Owns the proof that each profile admits exactly its paths (R1, FR-007, FR-008). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import { PfsError } from "../../schema/errors.ts";
import { parseTreePath } from "../../schema/paths.ts";
import {
  builtInProfile,
  type Profile,
  parseProfile,
  profileToJson,
  strictestProfile,
} from "../../schema/profiles.ts";

const strict = builtInProfile("strict");
const docusaurus = builtInProfile("docusaurus");
const any = builtInProfile("any");

/** Paths as real books hold them, by the strictest profile that admits them. */
const realPaths: Record<"strict" | "docusaurus" | "any", string> = {
  strict: `
    content/01-Introducing-AI/01-The-Revolution/01-intro.md
    content/01-Introducing-AI/01-The-Revolution/01-intro.summary.md
    content/02-AI-Tool-Landscape/05-claude-code/12-lesson-2-setup.md
    content/13-Part/99-Chapter/00-a.md
    content/01-P/01-C/01-UPPER-and-1234.md
    content/01-p/01-c/01-summary.md
    content/01-P/01-C/01-x-.md
    static/img/logo.svg
    static/img/part-1/chapter 02/Diagram (final).png
    static/slides/01-intro.pdf
    static/slides/deck.pptx
    static/videos/01/intro.mp4
    static/audio/intro_de.mp3
    static/img/a/b/c/d/e.webp
    static/img/LICENSE
    static/img/früh.png
    static/img/archive.zip`,
  docusaurus: `
    README.md
    index.md
    LICENSE
    package.json
    package-lock.json
    yarn.lock
    sidebars.js
    sidebars.ts
    docusaurus.config.js
    docusaurus.config.ts
    docusaurus.config.mjs
    babel.config.js
    tsconfig.json
    .gitignore
    content/README.md
    content/index.md
    content/intro.mdx
    content/_category_.json
    content/01-Part/README.md
    content/01-Part/_category_.json
    content/01-Part/_category_.yml
    content/01-Part/_category_.yaml
    content/01-Part/01-Chapter/README.md
    content/01-Part/01-Chapter/readme.md
    content/01-Part/01-Chapter/index.mdx
    content/01-Part/01-Chapter/01-intro.mdx
    content/01-Part/01-Chapter/1-intro.md
    content/01-Part/01-Chapter/01_intro.md
    content/01-Part/01-Chapter/10_chapter_13_quiz.md
    content/01-Part/01-Chapter/01-intro.flashcards.yaml
    content/01-Part/01-Chapter/diagram.png
    content/01-Part/01-Chapter/Photo.JPG
    content/01-Part/01-Chapter/img/diagram.svg
    content/01-Part/01-Chapter/assets/data.csv
    content/01-Part/01-Chapter/03-deeper/01-lesson.md
    content/01-Part/01-Chapter/03-deeper/04-still/05-more/lesson.md
    content/01-Part/01-Chapter/code/main.py
    content/01-Part/01-Chapter/notebook.ipynb
    content/1-Part/01-Chapter/01-intro.md
    content/Part One/Chapter 1/Lesson 1.md
    content/assets/style.css
    docs/intro.md
    docs/tutorial-basics/create-a-page.mdx
    docs/tutorial-basics/_category_.json
    docs/über/größe.md
    blog/2021-08-26-welcome/index.md
    blog/2021-08-26-welcome/docusaurus-plushie-banner.jpeg
    blog/authors.yml
    blog/tags.yml
    src/components/HomepageFeatures/index.tsx
    src/components/HomepageFeatures/styles.module.css
    src/css/custom.css
    src/pages/index.js
    src/pages/markdown-page.md
    src/theme/Root.js
    static/favicon.ico
    static/.nojekyll
    static/CNAME
    static/robots.txt
    static/files/handout.pdf
    static/files/sources.zip
    static/fonts/Inter.woff2
    static/.well-known/security.txt
    static/model.glb
    i18n/de/docusaurus-plugin-content-docs/current/intro.md
    i18n/de/code.json
    i18n/ur/docusaurus-theme-classic/navbar.json
    assets/cover.png
    assets/chapter-01/figure 1.PNG
    versioned_docs/version-1.0/intro.md
    versioned_sidebars/version-1.0-sidebars.json
    versions.json
    community_versioned_docs/version-2/x.md
    plugins/my-plugin/index.js
    scripts/build.sh
    quizzes/01.json
    data/glossary.yaml
    Makefile
    docs/empty/.gitkeep`,
  any: `
    .github/workflows/ci.yml
    .env
    content/.hidden.md
    content/.obsidian/app.json
    content/01-Part/01-Chapter/setup.exe
    content/01-Part/01-Chapter/lesson.zip
    content/01-Part/01-Chapter/lesson.md.bak
    content/01-Part/01-Chapter/lesson.md.orig
    content/01-Part/01-Chapter/lesson.old
    content/01-Part/01-Chapter/~$notes.docx
    content/01-Part/01-Chapter/notes
    content/01-Part/01-Chapter/lesson.xyz
    content/01-Part/01-Chapter/Thumbs.db
    content/node_modules/x/index.js
    node_modules/react/index.js
    src/__pycache__/a.pyc
    static/img/.secret/a.png
    static/.env
    static/files/tool.exe
    static/files/lib.so
    static/files/page.html.bak
    unknown-folder/x.md
    Content/01-Part/01-Chapter/01-intro.md
    a.out
    docs/tool.jar
    docs/backup.old/intro.md
    docs/disk.iso
    x
    a b/c d`,
};

const listed = (text: string) => text.trim().split(/\n\s*/);

describe("profiles", () => {
  test("R1: FR-007: FR-008: paths of real books are classed by the strictest profile that admits them", () => {
    const order = [strict, docusaurus, any];
    let count = 0;
    for (const [name, text] of Object.entries(realPaths)) {
      const from = order.findIndex((profile) => profile.name === name);
      for (const path of listed(text)) {
        count += 1;
        for (const [index, profile] of order.entries()) {
          assert.equal(
            profile.matchesFile(path),
            index >= from,
            `${profile.name} on ${path}: ${profile.explain(path)}`,
          );
        }
        assert.equal(strictestProfile([path]).profile.name, name);
      }
    }
    assert.ok(count >= 120, `${count} paths`);
  });

  test("FR-007: content paths of strict are exactly content/{NN-Name}/{NN-Name}/{NN-name}(.summary)?.md", () => {
    const bad = [
      "content/01-P/01-C/01-x.md\n",
      "content/01-P/01-C/01-x.md/",
      "/content/01-P/01-C/01-x.md",
      "content/01-P/01-x.md",
    ];
    bad.push(
      "content/01-P/01-C/01-C/01-x.md",
      "content/1-P/01-C/01-x.md",
      "content/001-P/01-C/01-x.md",
      "content/01-/01-C/01-x.md",
    );
    bad.push(
      "content/01--P/01-C/01-x.md",
      "content/01-P/01-C/01-x.MD",
      "content/01-P/01-C/01-x.summary.summary.md",
      "content/01-P/01-C/01-x.sum.md",
    );
    bad.push(
      "content/01-P/01-C/01-é.md",
      "content/01-P/01-C/01-x_y.md",
      "content/01-P/01-C/01-x y.md",
      "content/01-P/01-C/01-.md",
    );
    bad.push(
      "content/٠١-P/01-C/01-x.md",
      "content/\uff10\uff11-P/01-C/01-x.md",
      "content/01-P/01-C/.md",
      "xcontent/01-P/01-C/01-x.md",
    );
    bad.push(
      "content/01-P/01-C/01-x.summary",
      "content/01-P/01-C/01-x",
      "content/01-P/../01-C/01-x.md",
      "content//01-P/01-C/01-x.md",
      "",
    );
    for (const path of bad) assert.ok(!strict.matchesFile(path), JSON.stringify(path));
  });

  test("FR-008: assets of strict lie below static/(img|slides|videos|audio)/ and are not hidden", () => {
    const bad = [
      "static/x.png",
      "static/img",
      "static/images/x.png",
      "static/img/.x",
      "static/img/.a/x.png",
      "static/img/a/.x",
    ];
    bad.push(
      "static/IMG/x.png",
      "static/img/../x",
      "static/img/",
      "static/img/x\n",
      "img/x.png",
      "static/img/a//b",
    );
    for (const path of bad) assert.ok(!strict.matchesFile(path), JSON.stringify(path));
  });

  test("FR-009: no profile admits an invalid path", () => {
    for (const path of [
      "",
      "/a",
      "a/",
      "a//b",
      "..",
      "static/img/../x.png",
      "static/img/a\0b",
      "docs/a\nb.md",
      `docs/${"a".repeat(253)}.md`,
    ]) {
      for (const profile of [strict, docusaurus, any]) {
        assert.ok(!profile.matchesFile(path), `${profile.name} on ${JSON.stringify(path)}`);
        if (path !== "") assert.ok(!profile.admitsDirectory(path));
      }
    }
  });

  test("R1: SC-005: strict agrees with its regular expression, and each profile with the next wider one", () => {
    const reference =
      /^(?:content\/[0-9]{2}-[A-Za-z0-9][A-Za-z0-9-]*\/[0-9]{2}-[A-Za-z0-9][A-Za-z0-9-]*\/[0-9]{2}-[A-Za-z0-9][A-Za-z0-9-]*(?:\.summary)?\.md|static\/(?:img|slides|videos|audio)(?:\/[^./][^/]*)+)$/;
    const segment = fc.constantFrom(
      "content",
      "static",
      "img",
      "audio",
      "01-A",
      "1-a",
      "01-",
      "01-a.md",
      "01-b.summary.md",
      ".x",
      "x~",
      "x.bak",
      "..",
      "a\n",
      "é",
      "",
    );
    const path = fc
      .array(fc.oneof(segment, fc.string({ maxLength: 6 })), { minLength: 1, maxLength: 5 })
      .map((all) => all.join("/"));
    fc.assert(
      fc.property(path, (text) => {
        assert.equal(strict.matchesFile(text), any.matchesFile(text) && reference.test(text), text);
        if (strict.matchesFile(text)) assert.ok(docusaurus.matchesFile(text), text);
        if (docusaurus.matchesFile(text)) assert.ok(any.matchesFile(text), text);
        if (any.matchesFile(text)) assert.equal(parseTreePath(text), text);
      }),
      { numRuns: 3000 },
    );
  });

  test("directories can be made before their files, and no others", () => {
    for (const path of [
      "",
      "content",
      "content/01-Part",
      "content/01-Part/01-Chapter",
      "static",
      "static/img",
      "static/img/a/b",
    ]) {
      assert.ok(
        strict.admitsDirectory(path) && docusaurus.admitsDirectory(path) && any.admitsDirectory(path),
        path,
      );
    }
    for (const path of [
      "content/foo",
      "docs",
      "static/fonts",
      "static/img/.x",
      "content/01-A/01-B/01-c.md",
      "content/01-A/01-B/01-C",
    ]) {
      assert.ok(!strict.admitsDirectory(path), path);
    }
    for (const path of [
      ".git",
      "content/node_modules",
      "foreign",
      "docs/.cache",
      "docs/x~",
      "static/.well",
    ]) {
      assert.ok(!docusaurus.admitsDirectory(path), path);
    }
  });

  test("symbolic links are for any, and for a book's own schema that says so", () => {
    const own = (more: object) => parseProfile({ name: "own", patterns: ["**"], ...more });
    assert.deepEqual(
      [strict, docusaurus, any, own({}), own({ symlinks: true })].map((profile) => profile.symlinks),
      [false, false, true, false, true],
    );
  });

  test("a book's own schema comes from JSON and goes back to it", () => {
    const own = parseProfile({ name: "notes", patterns: ["notes/{name}.md", "(a|b)/**"], hidden: false });
    assert.ok(
      own.matchesFile("notes/x.md") &&
        own.matchesFile("a/x/y") &&
        !own.matchesFile("a/.x") &&
        !own.matchesFile("notes/x y.md"),
    );
    assert.match(own.explain("notes/x y.md"), /"x y.md"/);
    const again = parseProfile(JSON.parse(JSON.stringify(profileToJson(own))));
    assert.deepEqual(profileToJson(again), profileToJson(own));
    for (const profile of [strict, docusaurus, any] satisfies Profile[])
      assert.equal(parseProfile(profileToJson(profile)), profile);
    assert.equal(parseProfile("strict"), strict);
  });

  test("a malformed schema is refused in one sentence", () => {
    const bad: unknown[] = [
      null,
      1,
      [],
      {},
      "nope",
      { name: "nope" },
      { name: "strict", patterns: ["a"] },
      { name: "x", patterns: [] },
    ];
    bad.push(
      { name: "x", patterns: [1] },
      { name: "x y", patterns: ["a"] },
      { name: "x", patterns: ["a"], more: 1 },
      { name: "x", patterns: ["a("] },
    );
    bad.push({ name: "x", patterns: ["a"], symlinks: "yes" }, { name: "toString" }, "__proto__", {
      patterns: ["a"],
    });
    for (const json of bad) {
      assert.throws(
        () => parseProfile(json),
        (error) => error instanceof PfsError && error.code === "USAGE" && error.message.endsWith("."),
        JSON.stringify(json),
      );
    }
  });

  test("the strictest profile that admits every file says which file ruled the stricter ones out", () => {
    const lesson = "content/01-P/01-C/01-x.md";
    assert.deepEqual(strictestProfile([]), { profile: strict, reason: "strict: there are no files yet." });
    assert.equal(strictestProfile([lesson]).profile, strict);
    const wider = strictestProfile([lesson, "content/README.md", "docs/x.md"]);
    assert.equal(wider.profile, docusaurus);
    assert.match(wider.reason, /^docusaurus, because strict has no place for content\/README\.md/);
    const widest = strictestProfile([lesson, "content/README.md", "tool.exe"]);
    assert.equal(widest.profile, any);
    assert.match(widest.reason, /content\/README\.md.* and docusaurus has no place for tool\.exe/);
    assert.equal(strictestProfile([lesson, "a//b"]).profile, strict);
  });
});
