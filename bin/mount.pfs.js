#!/usr/bin/env node
// What mount(8) runs for `mount -t fuse.pfs` and `mount -t pfs`. Only starts the real one; must parse on Node 12.
"use strict";

require("./launch.js").launch({ source: "daemon/mount-helper.ts", built: "dist/daemon/mount-helper.js" });
