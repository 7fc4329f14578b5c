import { readdirSync, readFileSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importsOf, short, sources, src, walk } from './imports.ts'
import { adapters, banned, layers, pure, reading, showable, showing } from './layers.ts'

const repository = resolve(src, '../../..')

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

  test('what is shown of a project goes through openReads: rows, counts, statistics and names', () => {
    const inside = (file: string, folders: readonly string[]): boolean =>
      folders.some((folder) => relative(src, file).startsWith(folder))
    const shows = (file: string): boolean =>
      inside(
        file,
        [...showing].map((folder) => `${folder}/`),
      )
    const past = imports.filter(
      ({ from, to, typeOnly, names }) =>
        shows(from) &&
        to.startsWith(src) &&
        !inside(to, showable) &&
        (!typeOnly || names.some((name) => reading.includes(name as (typeof reading)[number]))),
    )
    const keys = imports.filter(
      ({ from, names }) => names.includes('readContext') && !/^(run|query)\//.test(relative(src, from)),
    )
    expect(
      [...past, ...keys].map(({ from, to }) => `${short(from)} imports ${short(to)}: ask openReads in query/reads.ts`),
    ).toEqual([])
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

  test('reads and compares types in one place: sql/types', () => {
    const defined = sources.filter((file) =>
      /^export function (parseType|holds|classify|icebergPromotes)\b/m.test(readFileSync(file, 'utf8')),
    )
    expect(defined.map(short).sort()).toEqual(['sql/types/lattice.ts', 'sql/types/parse.ts'])
    // What pulls the digits out of a DECIMAL in the engine's spelling decides by them: only how a value is hashed may depend on that, too.
    const readers = sources.filter((file) => /DECIMAL\\\(\(?/.test(readFileSync(file, 'utf8')))
    expect(readers.map(short)).toEqual(['lake/content.ts'])
  })

  test('has one row path, one queue and one escape of text, each in its place', () => {
    const places: readonly (readonly [what: string, pattern: RegExp, place: RegExp])[] = [
      ['captures refused rows', /\.capture\(/, /^quality\/rows\/scan\.ts$/],
      ['decides by limits and row rules', /\b(exceedsLimits|ruleResults|rowCountOutside)\(/, /^quality\//],
      [
        'refuses rows as a whole',
        /'Quality\.(TooManyRefused|RowCount|ChecksFailed)', \{/,
        /^quality\/rows\/judge\.ts$/,
      ],
      ['works through a list side by side', /Array\.from\(\{ length: [^}]*\}, \(?\)? ?=?>? ?work/, /^base\/queue\.ts$/],
      [
        'does work in turn',
        /= Promise\.resolve\(\)\n[\s\S]{0,200}\.catch\(\(\) => \{\}\)\n\s+return/,
        /^base\/queue\.ts$/,
      ],
      ['escapes text of others', /`\\\\u\{\$\{/, /^(base\/printable|sources\/procedures\/crawl-text)\.ts$/],
      ['sets the engine up for large values', /allocator_flush_threshold/, /^engines\/duckdb\//],
    ]
    for (const [what, pattern, place] of places) {
      const found = sources.filter((file) => pattern.test(code(file))).map(short)
      expect(found.length, `nothing ${what}: correct this test`).toBeGreaterThan(0)
      expect(
        found.filter((file) => !place.test(file)),
        what,
      ).toEqual([])
    }
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
        Object.entries(manifest[kind] ?? {}).filter(([, range]) => !/^(npm:[^@]+@)?\d/.test(range)),
      )
    })
    expect(loose).toEqual([])
  })

  test('numbers every error once', async () => {
    const { registry, retiredErrors } = await import('../../src/base/registry.ts')
    const codes = [...Object.values(registry).map((entry): string => entry.code), ...Object.keys(retiredErrors)]
    const names = [...Object.keys(registry), ...Object.values(retiredErrors).map(({ name }) => name)]
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
    expect(Object.values(retiredErrors).filter(({ replacedBy }) => !(replacedBy in registry))).toEqual([])
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([])
  })
})

function code(file: string): string {
  return readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '')
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
