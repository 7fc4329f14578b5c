/** The imports between files of `src`, by the syntax tree: of values, of types, and those that are made when they are needed. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

/** The folder of the code. */
export const src = resolve(import.meta.dirname, '../../src')

/** One import. `to` is a path where it is relative, otherwise the specifier. */
export interface Import {
  readonly from: string
  readonly to: string
  readonly specifier: string
  /** Nothing of it is there when the code runs. */
  readonly typeOnly: boolean
  /** What is imported by name. */
  readonly names: readonly string[]
}

/** Every file below a folder. */
export function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
  )
}

/** The code's files, without tests. */
export const sources: readonly string[] = walk(src).filter((file) => /(?<!\.test)\.ts$/.test(file))

const trees = new Map<string, ts.SourceFile>()

/** A file's syntax tree, whose nodes know their parents. */
export function treeOf(file: string): ts.SourceFile {
  const tree = trees.get(file) ?? ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
  trees.set(file, tree)
  return tree
}

/** What a file imports: `import`, `export … from`, `import(…)`, and `import('…').T` in types. */
export function importsOf(file: string): Import[] {
  const found: Import[] = []
  const add = (literal: ts.Node | undefined, typeOnly: boolean, names: readonly string[] = []): void => {
    if (literal === undefined || !ts.isStringLiteral(literal)) return
    const specifier = literal.text
    const to = specifier.startsWith('.') ? resolve(dirname(file), specifier) : specifier
    found.push({ from: file, to, specifier, typeOnly, names })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
      add(node.moduleSpecifier, isTypeOnly(node), namesOf(node))
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    ts.forEachChild(node, visit)
  }
  visit(treeOf(file))
  return found
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  const clause = node.importClause
  const named = clause?.namedBindings
  const isTypes =
    named !== undefined && ts.isNamedImports(named) && named.elements.every(({ isTypeOnly }) => isTypeOnly)
  return clause?.isTypeOnly === true || (clause?.name === undefined && isTypes)
}

function namesOf(node: ts.ImportDeclaration | ts.ExportDeclaration): readonly string[] {
  const named = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause
  if (named === undefined || !(ts.isNamedImports(named) || ts.isNamedExports(named))) return []
  return named.elements.map((element) => (element.propertyName ?? element.name).text)
}

/** A path as it is named in lists. */
export function short(file: string): string {
  return relative(src, file)
}
