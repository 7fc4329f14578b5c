import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeProject, packageRoot, sluice } from '../acceptance/project.ts'

/**
 * Every snippet of the documentation is executed. A fenced block says what it is:
 *   ```ts file=<path>          is written into the page's project
 *   ```sh run [exit=1] [expect=<text>]   is run there, with `sluice` on the path
 *   ```ts example              is evaluated with everything that 'sluice' exports in scope
 *   ```sh gate                 is what .ci/run and tools/check-nodes.sh run
 *   ```text, ```mermaid        is something to look at
 */
const repository = resolve(packageRoot, '../..')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]

interface Snippet {
  readonly language: string
  readonly info: ReadonlyMap<string, string>
  readonly text: string
  readonly line: number
}

describe.each(pages)('%s', (page) => {
  const snippets = snippetsOf(readFileSync(join(repository, page), 'utf8'))

  test('says of every snippet how it is executed', () => {
    const unknown = snippets.filter(
      ({ language, info }) =>
        !['text', 'mermaid', ''].includes(language) &&
        !info.has('file') &&
        !info.has('run') &&
        !info.has('gate') &&
        !info.has('example'),
    )
    expect(unknown.map(({ language, line }) => `line ${line}: ${language}`)).toEqual([])
  })

  if (snippets.some(({ info }) => info.has('example')))
    test('has examples that evaluate', async () => {
      const api = { ...(await import('../../src/index.ts')) }
      const source = await import('typescript')
      for (const { text, line } of snippets.filter(({ info }) => info.has('example'))) {
        const script = source.default.transpile(
          `(() => {\n${/^(const|await|export|import)\b/m.test(text) ? text.replace(/^(import .*|export default )/gm, '') : `return (\n${text}\n)`}\n})()`,
        )
        expect(
          () => new Function(...Object.keys(api), script)(...Object.values(api)),
          `line ${line}:\n${text}`,
        ).not.toThrow()
      }
    })

  if (snippets.some(({ info }) => info.has('file') || info.has('run')))
    test('runs, top to bottom', async () => {
      const root = makeProject({})
      // What `npm install` would make; pages that say it show it as text.
      symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
      const bin = join(root, '.bin')
      mkdirSync(bin)
      writeFileSync(join(bin, 'sluice'), `#!/bin/sh\nexec "${process.execPath}" "${sluice}" "$@"\n`)
      chmodSync(join(bin, 'sluice'), 0o755)
      for (const { info, text, line } of snippets) {
        const file = info.get('file')
        if (file !== undefined) {
          mkdirSync(dirname(join(root, file)), { recursive: true })
          writeFileSync(join(root, file), text)
        }
        if (!info.has('run')) continue
        const { code, output } = await shell(root, text, {
          ...process.env,
          PATH: `${bin}${delimiter}${process.env['PATH']}`,
          NO_COLOR: '1',
        })
        expect(code, `${relative(repository, page)} line ${line}:\n${text}\n${output}`).toBe(
          Number(info.get('exit') ?? 0),
        )
        if (info.has('expect')) expect(output).toContain(info.get('expect'))
      }
    })
})

function snippetsOf(markdown: string): Snippet[] {
  return [...markdown.matchAll(/^```(\w*)([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] as string,
    info: new Map(
      [...(match[2] as string).matchAll(/(\w+)(?:=(\S+))?/g)].map(([, key, value]) => [key as string, value ?? '']),
    ),
    text: match[3] as string,
    line: markdown.slice(0, match.index).split('\n').length,
  }))
}

function shell(cwd: string, script: string, env: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], { cwd, env }, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, output: stdout + stderr })
    })
  })
}
