import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { contained } from './contain.ts'
import { loadProject } from './load.ts'

const roots: string[] = []
afterEach(() => Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true }))))

async function projectWith(first: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-contain-'))
  roots.push(root)
  const files = {
    'sluice.config.ts': `export default { name: 'shop' }\n`,
    'pipelines/a/pipeline.ts': `${first}\nexport default { name: 'a' }\n`,
  }
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  return root
}

const file = 'pipelines/a/pipeline.ts'

const listening = (): readonly string[] =>
  process
    .eventNames()
    .map((name) => `${String(name)} ${process.listenerCount(name as 'exit')}`)
    .sort()

describe('a definition that does more than define is stopped and named, and the process is as before', () => {
  test.each([
    ['process.exit(0)', 'ends the process, by process.exit'],
    ['try { process.exit(0) } catch {}', 'ends the process, by process.exit'],
    ['setTimeout(() => process.exit(0))', 'ends the process, by process.exit'],
    ['process.kill(process.pid)', 'ends the process, by process.kill'],
    ['process.abort()', 'ends the process, by process.abort'],
    ["Promise.reject(new Error('lost'))", 'leaves a rejected promise that nothing awaits: lost'],
    ['Promise.reject()', 'leaves a rejected promise that nothing awaits: undefined'],
    ["setTimeout(() => { throw new Error('late') })", 'throws where nothing catches it: late'],
  ])('%s', async (first, what) => {
    const listeners = listening()
    const { problems, readable } = await loadProject(await projectWith(first))
    expect(problems).toMatchObject([{ name: 'Definition.FileMisbehaves', message: `"${file}" ${what}.`, at: { file } }])
    expect(readable?.config.name).toBe('shop')
    expect(listening()).toEqual(listeners)
  })

  test.each([
    ['listens to signals', "process.on('SIGTERM', () => {}); process.on('exit', () => {}); process.exitCode = 5"],
    ['goes elsewhere', "process.chdir('/')"],
  ])('one that %s changes nothing', async (_, first) => {
    const before = [process.listenerCount('SIGTERM'), process.listenerCount('exit'), process.exitCode, process.cwd()]
    expect((await loadProject(await projectWith(first))).problems).toEqual([])
    expect([process.listenerCount('SIGTERM'), process.listenerCount('exit'), process.exitCode, process.cwd()]).toEqual(
      before,
    )
  })
})

/** In a process of its own, as a command is. */
async function evaluated(work: string, isPlain: boolean): Promise<{ stdout: string; stderr: string; code: number }> {
  const module = new URL('../../../dist/run/definition/contain.js', import.meta.url).href
  const root = await mkdtemp(join(tmpdir(), 'sluice-contain-'))
  roots.push(root)
  const script = join(root, 'main.mjs')
  await writeFile(
    script,
    `const { contained } = await import(${JSON.stringify(module)})
    const options = { file: 'x.ts', limitMs: 1000, isPlain: ${isPlain} }
    const value = await contained(${work}, options).catch((error) => error.message)
    process.stdout.write('value ' + value)`,
  )
  return new Promise((done) => {
    execFile(process.execPath, [script], { timeout: 20_000 }, (error, stdout, stderr) =>
      done({ stdout, stderr, code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1 }),
    )
  })
}

describe('an end that does not come is not waited for', () => {
  const endless = 'value "x.ts" has not come to its end after 1 seconds.'
  test.each([
    ['a promise that never settles', 'async () => await new Promise(() => {})', false],
    ['a loop', 'async () => { while (true) {} }', false],
    ['a loop in code that can do nothing else', 'async () => { while (true) {} }', true],
    ['a loop after a wait', 'async () => { await null; await null; while (true) {} }', false],
  ])('%s', async (_, work, isPlain) => {
    expect(await evaluated(work, isPlain)).toMatchObject({ stdout: endless, code: 0 })
  })

  test('what it prints is no data', async () => {
    const work = "async () => { console.log('hello'); process.stdout.write('there\\n'); return 7 }"
    expect(await evaluated(work, false)).toEqual({ stdout: 'value 7', stderr: 'hello\nthere\n', code: 0 })
  })
})

test('a value and an error come back as they are', async () => {
  const options = { file: 'x.ts', limitMs: 5000, isPlain: false }
  expect(await contained(async () => 7, options)).toBe(7)
  await expect(contained(async () => Promise.reject(new TypeError('no')), options)).rejects.toThrow(TypeError)
})
