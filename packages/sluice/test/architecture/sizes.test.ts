/** What is too large to be read at a glance, and what goes round in a circle. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { byteLoops } from './byte-loops.ts'
import { importsOf, short, sources, src, treeOf } from './imports.ts'

const limits = { linesOfFile: 400, linesOfFunction: 120, filesOfFolder: 25 }

test(`no file is longer than ${limits.linesOfFile} lines`, () => {
  const long = sources.filter((file) => readFileSync(file, 'utf8').split('\n').length - 1 > limits.linesOfFile)
  expect(long.map(short)).toEqual([])
})

test(`no function is longer than ${limits.linesOfFunction} lines, save loops over bytes`, () => {
  expect(sources.flatMap(longFunctions).sort()).toEqual(Object.keys(byteLoops).sort())
})

test(`no folder has more than ${limits.filesOfFolder} files flat`, () => {
  const folders = ['.', ...readdirSync(src, { recursive: true, withFileTypes: true }).flatMap(folderPath)]
  const filesOf = (folder: string): number =>
    readdirSync(join(src, folder), { withFileTypes: true }).filter((entry) => entry.isFile()).length
  expect(folders.filter((folder) => filesOf(folder) > limits.filesOfFolder)).toEqual([])
})

test('no import goes round in a circle: of values, of types, or made when it is needed', () => {
  const edges = new Map(
    sources.map((file) => [
      file,
      [...new Set(importsOf(file).flatMap(({ to }) => (to.startsWith(src) ? [to] : [])))].sort(),
    ]),
  )
  expect(circlesOf(edges).map((circle) => circle.map(short).sort().join(' ↔ '))).toEqual([])
})

function folderPath(entry: { isDirectory(): boolean; parentPath: string; name: string }): string[] {
  return entry.isDirectory() ? [short(join(entry.parentPath, entry.name))] : []
}

/** Functions, methods and arrows with a body, as `lake/commit.ts: commit`. */
function longFunctions(file: string): string[] {
  const tree = treeOf(file)
  const found: string[] = []
  const lineOf = (at: number): number => tree.getLineAndCharacterOfPosition(at).line
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const lines = lineOf(node.getEnd()) - lineOf(node.getStart(tree)) + 1
      if (lines > limits.linesOfFunction) found.push(`${short(file)}: ${nameOf(node)}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function nameOf(node: ts.SignatureDeclaration): string {
  const named = node.name === undefined && ts.isVariableDeclaration(node.parent) ? node.parent : node
  return named.name?.getText() ?? 'a function without a name'
}

/** Files that reach each other: the strongly connected components of more than one file (Tarjan). */
function circlesOf(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const [index, low] = [new Map<string, number>(), new Map<string, number>()]
  const stack: string[] = []
  const circles: string[][] = []
  const visit = (file: string): void => {
    index.set(file, index.size)
    low.set(file, index.get(file) as number)
    stack.push(file)
    for (const next of edges.get(file) ?? []) {
      if (!index.has(next)) visit(next)
      if (stack.includes(next)) low.set(file, Math.min(low.get(file) as number, low.get(next) as number))
    }
    if (low.get(file) !== index.get(file)) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1) circles.push(circle)
  }
  for (const file of edges.keys()) if (!index.has(file)) visit(file)
  return circles
}
