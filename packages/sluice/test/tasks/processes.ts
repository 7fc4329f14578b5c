/** Runs whose every task is performed in a process of its own, which is given a reference and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunOptions } from '../../src/run/api.ts'
import { readEnd, readPlan } from '../../src/run/ledger/ledger.ts'
import { readFailure, readOutcome } from '../../src/run/ledger/outcome.ts'
import type { Payload } from '../../src/statemachine/types.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { sluice } from '../acceptance/project.ts'

type Invoke = NonNullable<RunOptions['invoke']>

/** What a test does to the processes. */
export interface Processes {
  /** The connections' variables. */
  readonly env?: Readonly<Record<string, string>>
  /** Variables of one process: where it is to be killed. */
  readonly envOf?: (payload: Payload) => Readonly<Record<string, string>>
  readonly onStart?: (payload: Payload, child: ChildProcess) => void
}

/** Starts a process for a payload: an empty environment, another folder, no channel to its parent. */
export function startProcess(root: string, payload: Payload, { env, envOf }: Processes = {}): ChildProcess {
  return spawn(process.execPath, [sluice, '-C', root, 'task', JSON.stringify(payload)], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env, ...envOf?.(payload) },
    stdio: 'ignore',
  })
}

/** How a process ended. */
export function endOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })))
}

/** Performs what a state asks for in a process of its own; what came of it is read from the ledger, as on any other machine. */
export function inProcesses(root: string, processes: Processes = {}): Invoke {
  return async (payload, stop) => {
    const child = startProcess(root, payload, processes)
    processes.onStart?.(payload, child)
    const kill = (): void => void child.kill('SIGTERM')
    stop.addEventListener('abort', kill, { once: true })
    const { code, signal } = await endOf(child)
    stop.removeEventListener('abort', kill)
    return code === 0 ? answerOf(root, payload) : failureOf(root, payload, String(signal ?? code))
  }
}

async function answerOf(root: string, payload: Payload): Promise<Record<string, unknown>> {
  const state = diskStorage(join(root, '.sluice'))
  const task = 'task' in payload ? payload.task : 'settle' in payload ? payload.settle : undefined
  if (task !== undefined) {
    const planned = (await readPlan(state, payload.runId))?.tasks.find(({ id }) => id === task)
    const outcome = await readOutcome(state, { run: payload.runId, task: planned! })
    return { task, status: outcome?.status ?? 'none' }
  }
  const status = (await readEnd(state, payload.runId))?.summary.status ?? 'none'
  return { status, cause: status, message: { runId: payload.runId, status, summary: status } }
}

async function failureOf(root: string, payload: Payload, how: string): Promise<never> {
  const state = diskStorage(join(root, '.sluice'))
  if ('task' in payload) {
    const planned = (await readPlan(state, payload.runId))?.tasks.find(({ id }) => id === payload.task)
    const { failure } = await readFailure(state, { run: payload.runId, task: planned! })
    if (failure !== undefined) throw Object.assign(new Error(failure.error.message), { name: failure.error.name })
  }
  throw Object.assign(new Error(`the process ended with ${how}`), { name: 'Lambda.Unknown' })
}

/** A payload in a word: what a test names it by. */
export function nameOf(payload: Payload): string {
  return 'task' in payload ? payload.task : 'settle' in payload ? `settle ${payload.settle}` : payload.step
}
