/**
 * Owns how node:http comes in. An `import` of its functions reads all it exports, and so loads WebSocket and fetch, which takes
 * 20 ms of every command and some megabytes of the daemon; types cost nothing.
 */
export const { request, createServer } = process.getBuiltinModule("node:http");
