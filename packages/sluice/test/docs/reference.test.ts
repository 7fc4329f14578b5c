import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../acceptance/project.ts'

test('the reference of definitions is made from the code as it is (npm run reference)', async () => {
  const { definitionReference } = (await import('../../tools/definition-reference.mjs' as string)) as {
    definitionReference: () => string
  }
  expect(readFileSync(join(packageRoot, '../../docs/reference/definition.md'), 'utf8')).toBe(definitionReference())
})

test('no entry of the reference of definitions is empty', () => {
  const page = readFileSync(join(packageRoot, '../../docs/reference/definition.md'), 'utf8')
  const entries = page.split(/^### /m).slice(1)
  const empty = entries.filter((entry) => !/```|\|---\||^- `/m.test(entry))
  expect(empty.map((entry) => entry.split('\n')[0])).toEqual([])
  for (const name of ['Load', 'Notifier', 'DeletesInput']) expect(page).toContain(`\n### ${name}\n`)
  // Inherited keys, too.
  expect(entries.find((entry) => entry.startsWith('Scd2Options\n'))).toContain('`from`')
})
