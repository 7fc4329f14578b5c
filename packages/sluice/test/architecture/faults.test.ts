import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { answered, later } from './faults.ts'

const root = resolve(import.meta.dirname, '../..')
const id = /\b(?:IN|SR|CD|LK|CT|OR|WH|TR|NO|CO|AW)-\d{2}\b/g

/** The first texts of `test(…)`, `describe(…)` and their `.each(…)(…)` in a file: what a run of the tests prints. */
function titlesOf(file: string): string[] {
  const titles: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(?:test|it|describe)\b/.test(node.expression.getText())) {
      const [title] = node.arguments
      if (title !== undefined && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)))
        titles.push(title.getText())
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true))
  return titles
}

const titles = ['src', 'test']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(root, folder, path)),
  )
  .filter((path) => path.endsWith('.test.ts'))
  .flatMap(titlesOf)
/** The faults of each title. A title with several says what a test touches; only one with a single fault says what it is about. */
const faultsOf = titles.map((title) => new Set(title.match(id) ?? []))
const named = new Set(faultsOf.flatMap((faults) => [...faults]))
const covered = new Set(faultsOf.flatMap((faults) => (faults.size === 1 ? [...faults] : [])))

test('every fault that the code answers today is named alone by the title of a test', () => {
  expect(answered.filter((fault) => !covered.has(fault))).toEqual([])
})

test('what a test names is in the catalogue, and not put off', () => {
  const known = new Set<string>(answered)
  expect([...named].filter((fault) => !known.has(fault)).sort()).toEqual([])
})

test('the catalogue is whole: each fault of each part once, here or later', () => {
  const parts = { IN: 29, SR: 14, CD: 30, LK: 16, CT: 10, OR: 16, WH: 18, TR: 10, NO: 7, CO: 19, AW: 15 }
  const all = Object.entries(parts).flatMap(([part, count]) =>
    Array.from({ length: count }, (_, n) => `${part}-${String(n + 1).padStart(2, '0')}`),
  )
  expect([...answered, ...Object.keys(later)].sort()).toEqual(all.sort())
})
