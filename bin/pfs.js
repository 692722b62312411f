#!/usr/bin/env node
// The `pfs` command. Only starts the real one; must parse on Node 12.
"use strict";

require("./launch.js").launch({ source: "daemon/cli/main.ts", built: "dist/daemon/cli/main.js" });
