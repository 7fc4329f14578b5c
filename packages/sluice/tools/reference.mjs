// Writes the pages of docs/reference from the built code: `npm run reference`, after a build.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cliReference, errorReference } from '../dist/cli/reference.js'
import { stateReference } from '../dist/cli/state-reference.js'
import { definitionReference } from './definition-reference.mjs'

const folder = new URL('../../../docs/reference/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('cli.md', folder), cliReference())
writeFileSync(new URL('errors.md', folder), errorReference())
writeFileSync(new URL('definition.md', folder), definitionReference())
writeFileSync(new URL('states.md', folder), stateReference())
