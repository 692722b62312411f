#!/usr/bin/env node
// What systemd runs for `pfs-mounter.socket`. Only starts the real one; must parse on Node 12.
"use strict";

require("./launch.js").launch({ source: "daemon/mounter.ts", built: "dist/daemon/mounter.js" });
