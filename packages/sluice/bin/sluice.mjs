#!/usr/bin/env node
// Plain syntax on purpose: an old Node must be able to read this far, to say that it is too old.
import module from 'node:module'
import v8 from 'node:v8'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Sluice needs Node 20.19 or later; this is ${process.version}. See https://nodejs.org\n`)
  process.exit(2)
}
module.enableCompileCache?.()
// The SQL parser is WebAssembly with very large functions: optimising them costs more than twice what a command uses them for (2.7 against 1.2 s of CPU).
v8.setFlagsFromString('--liftoff-only')

const { main } = await import('../dist/cli/main.js')
await main(process.argv.slice(2))
