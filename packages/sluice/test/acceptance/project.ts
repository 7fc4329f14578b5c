/** Makes throw-away projects for suites, and finds the real files that they run on. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** The package's folder. */
export const packageRoot = resolve(import.meta.dirname, '../..')

/** The command line, as built. */
export const sluice = join(packageRoot, 'bin/sluice.mjs')

/** Real files that are not part of the repository; suites skip, and say so, where they are absent. */
export const sharedData = resolve(packageRoot, '../../../shared/data')

/** A folder of the real files, or undefined. */
export function realFiles(name: string): string | undefined {
  const folder = join(sharedData, name)
  return existsSync(folder) ? folder : undefined
}

/** Writes a project into a new temporary folder; returns its path. */
export function makeProject(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'sluice-project-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

/** Copies a file into a project. */
export function deliver(root: string, from: string, to: string): void {
  mkdirSync(dirname(join(root, to)), { recursive: true })
  cpSync(from, join(root, to))
}

/** What a command left behind. */
export interface CommandResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the built command line in a project. `kill` ends it with SIGKILL after so many milliseconds. */
export function command(
  root: string,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly killAfterMs?: number
    readonly input?: string
    readonly onStart?: (child: ChildProcess) => void
  } = {},
): Promise<CommandResult> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [sluice, '-C', root, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    options.onStart?.(child)
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.stdin.end(options.input ?? '')
    const timer =
      options.killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), options.killAfterMs)
    child.on('error', fail)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      done({ code, signal, stdout, stderr })
    })
  })
}

/** Runs a query through the command line; rows as objects. */
export async function query(root: string, sql: string): Promise<Record<string, unknown>[]> {
  const result = await command(root, ['query', sql, '--all', '--format', 'ndjson'])
  if (result.code !== 0) throw new TypeError(`query failed (${result.code}): ${result.stderr}`)
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
