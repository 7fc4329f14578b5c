import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { registry } from '../base/registry.ts'
import type { CommandSpec } from './command.ts'
import { commandTable } from './command-table.ts'
import { cliReference, errorReference } from './reference.ts'
import { stateReference } from './state-reference.ts'

const page = (name: string): string =>
  readFileSync(new URL(`../../../../docs/reference/${name}`, import.meta.url), 'utf8')

test('the pages in docs/reference are what the code makes (npm run reference writes them)', () => {
  expect(page('cli.md')).toBe(cliReference())
  expect(page('errors.md')).toBe(errorReference())
  expect(page('states.md')).toBe(stateReference())
})

test('every command and every error has its place in the reference', () => {
  const commands = Object.entries<CommandSpec>(commandTable).filter(([, { hidden }]) => hidden !== true)
  for (const [name] of commands) expect(cliReference()).toContain(`### sluice ${name}\n`)
  for (const [name, { code }] of Object.entries(registry)) {
    expect(errorReference()).toContain(`## ${code}\n`)
    expect(errorReference()).toContain(`- name: \`${name}\``)
  }
})

test('numbers of errors are unique', () => {
  const codes = Object.values(registry).map((entry) => entry.code)
  expect(codes.filter((code, i) => codes.indexOf(code) !== i)).toEqual([])
})
