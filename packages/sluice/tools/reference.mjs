// Writes docs/reference/cli.md and docs/reference/errors.md from the built code: `npm run reference`, after a build.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cliReference, errorReference } from '../dist/cli/reference.js'

const folder = new URL('../../../docs/reference/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('cli.md', folder), cliReference())
writeFileSync(new URL('errors.md', folder), errorReference())
