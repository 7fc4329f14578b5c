/**
 * Lines of code in `packages/sluice/src`, by folder, without comments, blank lines and tests.
 *
 *   node tools/lines.mjs             of the working tree
 *   node tools/lines.mjs d28d719     of that commit, of the working tree, and the difference
 *
 * TypeScript's scanner tells comments from strings, templates and regular expressions that look like them.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')
const src = 'packages/sluice/src'
const isCounted = (path) => /\.ts$/.test(path) && !/\.test\.ts$/.test(path)

/** How many lines hold something else than a comment. */
function linesOf(text) {
  const file = ts.createSourceFile('code.ts', text, ts.ScriptTarget.Latest)
  const isBlank = text.split('\n').map((line) => line.trim() === '')
  const lines = new Set()
  // A template has blank lines of its own, which count as little as others.
  const add = (from, to) => {
    const last = file.getLineAndCharacterOfPosition(to).line
    for (let line = file.getLineAndCharacterOfPosition(from).line; line <= last; line++)
      if (!isBlank[line]) lines.add(line)
  }
  const visit = (node) => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return
    const parts = node.getChildren(file)
    if (parts.length > 0) for (const part of parts) visit(part)
    else if (node.end > node.getStart(file)) add(node.getStart(file), node.end)
  }
  visit(file)
  return lines.size
}

/** Lines by folder below `src`: its sub-folders count with it. */
function byFolder(files) {
  const sums = {}
  for (const [path, text] of files) {
    const folder = path.includes('/') ? path.split('/')[0] : '.'
    sums[folder] = (sums[folder] ?? 0) + linesOf(text)
  }
  return sums
}

function ofTree() {
  const paths = readdirSync(join(root, src), { recursive: true }).filter(isCounted)
  return byFolder(paths.map((path) => [path, readFileSync(join(root, src, path), 'utf8')]))
}

function ofCommit(commit) {
  const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const paths = git('ls-tree', '-r', '--name-only', commit, '--', src).split('\n').filter(isCounted)
  return byFolder(paths.map((path) => [path.slice(src.length + 1), git('show', `${commit}:${path}`)]))
}

const [commit] = process.argv.slice(2)
const now = ofTree()
const before = commit === undefined ? undefined : ofCommit(commit)
const total = (sums) => Object.values(sums).reduce((sum, lines) => sum + lines, 0)
const show = (name, was, is) => {
  const figures = before === undefined ? [is] : [was, is, `${is > was ? '+' : ''}${is - was}`]
  process.stdout.write(`${name.padEnd(16)}${figures.map((figure) => String(figure).padStart(9)).join('')}\n`)
}
if (before !== undefined)
  process.stdout.write(`${'folder'.padEnd(16)}${commit.slice(0, 8).padStart(9)}      now     diff\n`)
for (const folder of [...new Set([...Object.keys(before ?? {}), ...Object.keys(now)])].sort())
  show(folder, before?.[folder] ?? 0, now[folder] ?? 0)
show('all', total(before ?? {}), total(now))
