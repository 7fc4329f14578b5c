import { readdirSync, readFileSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { adapters, banned, layers, pure } from './layers.ts'

const src = resolve(import.meta.dirname, '../../src')
const repository = resolve(src, '../../..')

interface Import {
  readonly from: string
  readonly to: string
  readonly specifier: string
  readonly typeOnly: boolean
  readonly dynamic: boolean
}

const files = walk(src).filter((file) => file.endsWith('.ts'))
const sources = files.filter((file) => !file.endsWith('.test.ts'))
const imports = sources.flatMap(importsOf)

describe('the house', () => {
  test('has only the folders of the list, and index.ts', () => {
    const found = readdirSync(src).filter((name) => !name.endsWith('.ts'))
    expect(found.filter((name) => !layers.includes(name as (typeof layers)[number]))).toEqual([])
  })

  test('imports point to the same folder or to one before it', () => {
    const wrong = imports
      .filter(({ from, to }) => to.startsWith(src) && layerOf(from) >= 0 && layerOf(to) > layerOf(from))
      .map(
        ({ from, to }) =>
          `${short(from)} imports ${short(to)}: move what both need down, or hand it in from run/project.ts`,
      )
    expect(wrong).toEqual([])
  })

  test('pure folders import no Node built-in and read no clock, randomness or environment', () => {
    const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))
    const wrong = [
      ...imports
        .filter(({ from, specifier }) => isPure(from) && builtins.has(specifier))
        .map(
          ({ from, specifier }) => `${short(from)} imports ${specifier}: this folder is pure; move the code to run/`,
        ),
      ...sources
        .filter(isPure)
        .flatMap((file) =>
          [...code(file).matchAll(/\b(Date\.now|new Date\(\)|Math\.random|process\.(env|cwd|argv)|setTimeout)\b/g)].map(
            (match) => `${short(file)} uses ${match[0]}: this folder is pure; take it as a parameter`,
          ),
        ),
    ]
    expect(wrong).toEqual([])
  })

  test('sibling adapters never import each other', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [a, b] = [adapterOf(from), adapterOf(to)]
      return a !== undefined && b !== undefined && a[0] === b[0] && a[1] !== b[1]
    })
    expect(wrong.map(({ from, to }) => `${short(from)} imports its sibling ${short(to)}`)).toEqual([])
  })

  test('has no runtime import cycle', () => {
    const edges = new Map<string, string[]>()
    for (const { from, to, typeOnly, dynamic } of imports) {
      if (typeOnly || dynamic || !to.startsWith(src)) continue
      edges.set(from, [...(edges.get(from) ?? []), to])
    }
    expect(cycles(edges).map((cycle) => cycle.map(short).join(' → '))).toEqual([])
  })

  test('only the server and the command line print, parse arguments or exit', () => {
    // What keeps a definition from exiting and from printing into data names what it replaces.
    const guard = 'run/definition/contain.ts'
    const wrong = sources
      .filter((file) => !/^(cli|server)\//.test(relative(src, file)) && short(file) !== guard)
      .flatMap((file) =>
        [...code(file).matchAll(/\b(console\.(log|error|warn)|process\.(exit|stdout|stderr|argv))\b/g)].map(
          (m) => `${short(file)} uses ${m[0]}`,
        ),
      )
    expect(wrong).toEqual([])
  })

  test('throws only errors of the registry', () => {
    const wrong = sources.flatMap((file) =>
      [...code(file).matchAll(/throw new \w*Error\(/g)].map((m) => `${short(file)}: ${m[0]}`),
    )
    expect(wrong).toEqual([])
  })

  test('has no file or folder whose name says nothing', () => {
    const names = walk(src).flatMap((file) => relative(src, file).replace(/\.ts$/, '').split('/'))
    expect(names.filter((name) => banned.some((word) => name === word))).toEqual([])
  })

  test('keeps files short enough to read', () => {
    const long = sources
      .map((file) => [short(file), readFileSync(file, 'utf8').split('\n').length] as const)
      .filter(([, lines]) => lines > 500)
    expect(long).toEqual([])
  })

  test('has a README under 60 lines in each folder', () => {
    const missing = readdirSync(src)
      .filter((name) => statSync(join(src, name)).isDirectory())
      .filter((name) => {
        try {
          return readFileSync(join(src, name, 'README.md'), 'utf8').split('\n').length > 60
        } catch {
          return true
        }
      })
    expect(missing).toEqual([])
  })
})

describe('the workspace', () => {
  test('runs no install script of any dependency that is published with it', () => {
    type Entry = { readonly hasInstallScript?: boolean } & {
      readonly [kind: string]: Record<string, string> | undefined
    }
    const lock = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, Entry>
    }
    const needed = new Set(['packages/sluice'])
    // A Set is walked with what is added on the way. Examples and tests have dependencies of their own, which nobody gets with the package.
    for (const place of needed)
      for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies'])
        for (const name of Object.keys(lock.packages[place]?.[kind] ?? {}))
          needed.add(
            [`${place}/node_modules/${name}`, `node_modules/${name}`].find((at) => at in lock.packages) ?? name,
          )
    expect(needed.size).toBeGreaterThan(10)
    expect([...needed].filter((place) => lock.packages[place]?.hasInstallScript === true)).toEqual([])
  })

  test('pins every dependency exactly', () => {
    const manifests = ['package.json', 'packages/sluice/package.json']
    const loose = manifests.flatMap((file) => {
      const manifest = JSON.parse(readFileSync(join(repository, file), 'utf8')) as Record<
        string,
        Record<string, string> | undefined
      >
      return ['dependencies', 'devDependencies'].flatMap((kind) =>
        Object.entries(manifest[kind] ?? {}).filter(([, range]) => !/^\d/.test(range)),
      )
    })
    expect(loose).toEqual([])
  })

  test('numbers every error once', async () => {
    const { registry } = await import('../../src/base/registry.ts')
    const codes = Object.values(registry).map((entry) => entry.code)
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([])
  })
})

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
  )
}

function code(file: string): string {
  return readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '')
}

function importsOf(file: string): Import[] {
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
  const found: Import[] = []
  const add = (specifier: string, typeOnly: boolean, dynamic: boolean): void => {
    const to = specifier.startsWith('.') ? resolve(dirname(file), specifier) : specifier
    found.push({ from: file, to, specifier, typeOnly, dynamic })
  }
  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      const clause = ts.isImportDeclaration(node) ? node.importClause : undefined
      const named = clause?.namedBindings
      const allTypes =
        named !== undefined &&
        ts.isNamedImports(named) &&
        clause?.name === undefined &&
        named.elements.length > 0 &&
        named.elements.every((element) => element.isTypeOnly)
      add(
        node.moduleSpecifier.text,
        clause?.isTypeOnly === true || allTypes || (ts.isExportDeclaration(node) && node.isTypeOnly),
        false,
      )
    }
    if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      node.arguments[0] !== undefined &&
      ts.isStringLiteral(node.arguments[0])
    ) {
      add(node.arguments[0].text, false, true)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function layerOf(file: string): number {
  return layers.indexOf(relative(src, file).split('/')[0] as (typeof layers)[number])
}

function isPure(file: string): boolean {
  return pure.includes(relative(src, file).split('/')[0] as (typeof pure)[number])
}

function adapterOf(file: string): readonly [string, string] | undefined {
  const [folder, adapter, rest] = relative(src, file).split('/')
  if (folder === undefined || adapter === undefined || rest === undefined) return undefined
  return adapters.includes(folder as (typeof adapters)[number]) ? [folder, adapter] : undefined
}

function cycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      found.push([...path.slice(at), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const next of edges.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of edges.keys()) visit(file)
  return found
}

function short(file: string): string {
  return file.startsWith(src) ? relative(src, file) : basename(file)
}
