#!/usr/bin/env node
// Plain syntax on purpose: an old Node must be able to read this far, to say that it is too old.
import module from 'node:module'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Sluice needs Node 20.19 or later; this is ${process.version}. See https://nodejs.org\n`)
  process.exit(2)
}
// Node 22.1 and later. Not in a temporary folder that others can write to: anyone could plant code there.
const { XDG_CACHE_HOME, HOME } = process.env
const caches = XDG_CACHE_HOME || (HOME && `${HOME}/.cache`)
if (caches) module.enableCompileCache?.(`${caches}/sluice`)

const { main } = await import('../dist/cli/main.js')
await main(process.argv.slice(2))
