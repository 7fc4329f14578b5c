import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

test('the lock file has every platform of every package: npm ci refuses a lock that lacks one', () => {
  const file = resolve(import.meta.dirname, '../../../../package-lock.json')
  const packages = JSON.parse(readFileSync(file, 'utf8')).packages as Record<
    string,
    { optionalDependencies?: Record<string, string> }
  >
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)))
  expect(missing).toEqual([])
})
