#!/usr/bin/env node
// The `pfsd` daemon. Only starts the real one; must parse on Node 12.
"use strict";

require("./launch.js").launch({ source: "daemon/pfsd.ts", built: "dist/daemon/pfsd.js" });
