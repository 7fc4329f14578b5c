import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { shop } from '../../../test/golden/project.ts'
import { sluiceError } from '../../base/errors.ts'
import { buildPlan } from '../../plan/build.ts'
import type { Plan } from '../../plan/types.ts'
import { compileStateMachines } from '../../statemachine/compile.ts'
import { executeStateMachines, type MachineServices, type StateEvent } from './interpreter.ts'

const { plan } = buildPlan(shop)
const ids = plan.tasks.map(({ id }) => id)

type Payload = Record<string, unknown>
type Behaviour = (task: string, attempt: number, signal: AbortSignal) => Promise<unknown> | unknown

interface Outcome {
  readonly result?: unknown
  readonly error?: { readonly name: string; readonly message: string }
  readonly attempts: { readonly [task: string]: number }
  readonly messages: readonly Payload[]
  readonly events: readonly StateEvent[]
  readonly order: readonly string[]
  /** What tasks were settled with, and the steps of the run. */
  readonly settled: readonly Payload[]
  readonly steps: readonly string[]
}

/** What the topic is told of the run. */
const told = (status: string): Payload => ({ runId: 'run-1', status, summary: 'in words' })

/** Executes the machines of a plan over a behaviour of its tasks; the verdict is that of a handler with a ledger. */
async function execute(
  behaviour: Behaviour,
  change: Partial<MachineServices> & { plan?: Plan; concurrency?: number; onFinish?: (error: unknown) => unknown } = {},
): Promise<Outcome> {
  const attempts: Record<string, number> = {}
  const messages: Payload[] = []
  const events: StateEvent[] = []
  const order: string[] = []
  const failed = new Set<string>()
  const settled: Payload[] = []
  const steps: string[] = []
  const { plan: given = plan, concurrency = 3, onFinish, ...services } = change
  const verdict = (error: unknown): Payload => {
    const { message: why } = sluiceError('Run.TasksFailed', { failed: [...failed], skipped: 0, kept: 0 })
    if (failed.size === 0 && error === null) return { status: 'succeeded', cause: '', message: told('succeeded') }
    return { status: 'failed', cause: why, message: told('failed') }
  }
  const invoke = async (payload: Payload, signal: AbortSignal): Promise<Payload> => {
    const { task, settle, step } = payload as { task?: string; settle?: string; step?: string }
    if (settle !== undefined) {
      settled.push({ settle, error: payload['error'] })
      return { task: settle, status: 'failed' }
    }
    if (task === undefined) {
      steps.push(String(step))
      if (step === 'finish') onFinish?.(payload['error'])
      return step === 'finish' ? verdict(payload['error']) : {}
    }
    order.push(task)
    attempts[task] = (attempts[task] ?? 0) + 1
    failed.add(task)
    const extra = await behaviour(task, attempts[task], signal)
    failed.delete(task)
    return { task, status: 'succeeded', ...(extra === undefined ? {} : { extra }) }
  }
  const rest = { attempts, messages, events, order, settled, steps }
  try {
    const result = await executeStateMachines(
      compileStateMachines(given, { concurrency }),
      { runId: 'run-1', start: { fencingToken: 7, kind: 'tasks', task: null, error: null } },
      {
        invoke,
        notify: async (message) => void messages.push(message),
        signal: new AbortController().signal,
        onState: (event) => events.push(event),
        retryDelayMs: 1,
        ...services,
      },
      'Work',
    )
    return { result, ...rest }
  } catch (error) {
    return { error: error as Error, ...rest }
  }
}

const busy = (): never => {
  throw sluiceError('Run.Busy', { owner: 'another', since: 'noon' })
}

test('every task runs once, after what it needs, and success is told', async () => {
  const { result, order, messages, steps, settled } = await execute(() => undefined)
  expect([...order].sort()).toEqual([...ids].sort())
  for (const task of plan.tasks)
    for (const need of task.dependsOn) expect(order.indexOf(need)).toBeLessThan(order.indexOf(task.id))
  expect(messages).toEqual([told('succeeded')])
  expect(steps).toEqual(['compact', 'finish', 'notify', 'clean'])
  expect(settled).toEqual([])
  expect(result).toMatchObject({ runId: 'run-1', result: { status: 'succeeded' } })
})

test('tasks of a wave run side by side, but never more than the concurrency', async () => {
  let now = 0
  let most = 0
  const wide = { ...plan, layers: [{ name: 'raw', waves: [ids] }] }
  await execute(
    async () => {
      now++
      most = Math.max(most, now)
      await sleep(5)
      now--
    },
    { plan: wide },
  )
  expect(most).toBe(3)
})

test("many tasks at a time leave nothing behind on the run's signal", async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  const tasks = Array.from({ length: 60 }, (_, n) => ({ ...plan.tasks[0]!, id: `ingest:raw.t${n}` }))
  const wide = { ...plan, tasks, layers: [{ name: 'raw', waves: [tasks.map(({ id }) => id)] }] }
  const { attempts } = await execute(() => sleep(5), { plan: wide, concurrency: 30 })
  await sleep(5)
  process.off('warning', note)
  expect(Object.keys(attempts)).toHaveLength(60)
  expect(warnings).toEqual([])
})

test('OR-06: a transient error is tried again, three times and no more', async () => {
  const passing = await execute((task, attempt) => (task === 'model:stage.sales' && attempt < 4 ? busy() : undefined))
  expect(passing.attempts['model:stage.sales']).toBe(4)
  expect(passing.error).toBeUndefined()
  expect(passing.events.filter(({ type }) => type === 'StateRetried').map(({ attempt }) => attempt)).toEqual([1, 2, 3])

  const lasting = await execute((task) => (task === 'model:stage.sales' ? busy() : undefined))
  expect(lasting.attempts['model:stage.sales']).toBe(4)
  expect(lasting.error?.name).toBe('Run.StateMachineFailed')
})

test('a terminal error is not tried again', async () => {
  const { attempts, error } = await execute((task) => {
    if (task === 'model:stage.sales') throw sluiceError('Run.ModelThrew', { table: 'stage.sales', message: 'no' })
  })
  expect(attempts['model:stage.sales']).toBe(1)
  expect(error?.name).toBe('Run.StateMachineFailed')
})

test('OR-09: a failed task is told of and does not stop its siblings, nor the later layers; the run ends as failed', async () => {
  const { attempts, messages, error } = await execute((task) => {
    if (task === 'ingest:raw.sales') throw sluiceError('Run.ModelThrew', { table: 'raw.sales', message: 'bad' })
  })
  expect(Object.keys(attempts).sort()).toEqual([...ids].sort())
  expect(messages).toHaveLength(2)
  expect(messages[0]).toMatchObject({
    runId: 'run-1',
    task: 'ingest:raw.sales',
    status: 'failed',
    error: { Error: 'Run.ModelThrew', Cause: expect.stringContaining('threw: bad') },
  })
  expect(messages[1]).toEqual(told('failed'))
  expect(error?.message).toContain('SluiceRunFailed')
})

test('a nested machine that cannot go on fails the master, which tells of it; no later layer starts', async () => {
  const stopped: unknown[] = []
  const { attempts, messages, error, steps } = await execute(
    (task) => (task === 'ingest:raw.sales' ? 'x'.repeat(300_000) : undefined),
    { onFinish: (failed) => stopped.push(failed) },
  )
  expect(attempts['model:stage.sales']).toBeUndefined()
  expect(messages).toEqual([told('failed')])
  expect(steps).toEqual(['finish', 'notify'])
  expect(stopped).toMatchObject([{ Error: 'States.TaskFailed' }])
  expect(JSON.parse((stopped[0] as { Cause: string }).Cause)).toMatchObject({
    Status: 'FAILED',
    Error: 'States.DataLimitExceeded',
  })
  expect(error?.message).toContain('SluiceRunFailed')
})

test('OR-11: a payload may have 262,144 bytes and not one more', async () => {
  const around = JSON.stringify({
    StatusCode: 200,
    Payload: { task: 'ingest:raw.sales', status: 'succeeded', extra: '' },
  }).length
  const answer = async (bytes: number): Promise<string | undefined> => {
    const stopped: unknown[] = []
    await execute((task) => (task === 'ingest:raw.sales' ? 'x'.repeat(bytes - around) : undefined), {
      onFinish: (failed) => stopped.push(failed),
    })
    return (stopped[0] as { Cause: string } | null)?.Cause
  }
  expect(await answer(262_144)).toBeUndefined()
  expect(await answer(262_145)).toContain('262145 bytes')
})

test('OR-07: a task is stopped at its own timeout, is not tried again, and its siblings go on', async () => {
  const brief = {
    ...plan,
    tasks: plan.tasks.map((task) => (task.id === 'ingest:raw.sales' ? { ...task, timeoutSeconds: 1 } : task)),
  }
  let stopped = false
  const started = performance.now()
  const { attempts, messages } = await execute(
    async (task, _attempt, signal) => {
      if (task !== 'ingest:raw.sales') return
      await sleep(20_000, undefined, { signal }).catch(() => {
        stopped = true
        throw sluiceError('Engine.Interrupted', {})
      })
    },
    { plan: brief },
  )
  expect(performance.now() - started).toBeGreaterThan(990)
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(stopped).toBe(true)
  expect(attempts['ingest:raw.sales']).toBe(1)
  expect(Object.keys(attempts).sort()).toEqual([...ids].sort())
  expect(messages[0]).toMatchObject({ task: 'ingest:raw.sales', error: { Error: 'States.Timeout' } })
})

test('OR-08: cancelling stops what runs, starts nothing more, and waits until it has let go', async () => {
  const cancel = new AbortController()
  let letGo = false
  const { error, attempts, messages } = await execute(
    async (_task, _attempt, signal) => {
      setTimeout(() => cancel.abort(), 10)
      await sleep(20_000, undefined, { signal }).catch(() => {})
      await sleep(50)
      letGo = true
      throw sluiceError('Engine.Interrupted', {})
    },
    { signal: cancel.signal },
  )
  expect(error?.name).toBe('Run.Cancelled')
  expect(letGo).toBe(true)
  expect(Object.keys(attempts).sort()).toEqual(['ingest:raw.sales', 'ingest:raw.stores'])
  await sleep(20)
  expect(attempts['ingest:raw.sales']).toBe(1)
  expect(messages).toEqual([])
})

test('cancelling during the wait before a retry ends the run at once, without another attempt', async () => {
  const cancel = new AbortController()
  const started = performance.now()
  const { error, attempts } = await execute(
    (task) => {
      if (task !== 'ingest:raw.sales') return
      setTimeout(() => cancel.abort(), 20)
      busy()
    },
    { signal: cancel.signal, retryDelayMs: 20_000 },
  )
  await sleep(20)
  expect(error?.name).toBe('Run.Cancelled')
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(attempts['ingest:raw.sales']).toBe(1)
})

test('a signal that has aborted before starts nothing', async () => {
  const { error, attempts } = await execute(() => undefined, { signal: AbortSignal.abort() })
  expect(error?.name).toBe('Run.Cancelled')
  expect(attempts).toEqual({})
})

test('OR-10: the waits of the text are real: the first retry comes within its interval, with jitter', async () => {
  const started = performance.now()
  const { attempts } = await execute(
    (task, attempt) => (task === 'ingest:raw.sales' && attempt === 1 ? busy() : undefined),
    {
      retryDelayMs: undefined as never,
    },
  )
  expect(attempts['ingest:raw.sales']).toBe(2)
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('NO-01: a message that cannot be sent changes nothing about the run', async () => {
  const refuse = async (): Promise<void> => {
    throw sluiceError('Run.Busy', { owner: 'the topic', since: 'noon' })
  }
  expect((await execute(() => undefined, { notify: refuse })).error).toBeUndefined()
  const failed = await execute(
    (task) => (task === 'ingest:raw.sales' ? Promise.reject(sluiceError('Internal', { why: 'x' })) : undefined),
    {
      notify: refuse,
    },
  )
  expect(failed.error?.message).toContain('SluiceRunFailed')
  expect(Object.keys(failed.attempts)).toHaveLength(ids.length)
})
