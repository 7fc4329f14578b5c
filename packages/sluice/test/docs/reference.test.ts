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
