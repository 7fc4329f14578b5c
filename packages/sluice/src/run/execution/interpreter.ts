/**
 * Executes the emitted state machines here, by the same text that is deployed: `aws-local-stepfunctions` walks the states, and this file is what the
 * services behind its Task states are on AWS. What the library leaves to others is done here: nested executions, stopping a task at its
 * timeout, the limit on payloads, and letting go of everything when a run is cancelled.
 */
import { createRequire } from 'node:module'
import { type Clock, systemClock } from '../../base/clock.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { byteLength, limits } from '../../statemachine/limits.ts'
import { machineReference } from '../../statemachine/master.ts'
import type { StateMachine, StateMachineDefinition, TaskState } from '../../statemachine/types.ts'

type JsonObject = Record<string, unknown>

/** What happens to the states, as it happens. `attempt` counts the retries of a state from 1; `index` is the item's in its Map. */
export interface StateEvent {
  readonly machine: string
  readonly type: string
  readonly state?: string
  readonly index?: number
  readonly attempt?: number
  readonly error?: string
}

/** What stands behind the Task states. */
export interface MachineServices {
  /** Does a task, or gives the verdict; an error is matched by its name. Must end soon after its signal aborts. */
  readonly invoke: (payload: JsonObject, signal: AbortSignal) => Promise<JsonObject>
  readonly notify: (message: JsonObject) => Promise<void>
  readonly signal: AbortSignal
  readonly clock?: Clock
  readonly onState?: (event: StateEvent) => void
  /** Milliseconds before each retry, instead of those in the text; for tests. */
  readonly retryDelayMs?: number
}

/** How long a cancelled or timed-out task may take to let go before the run ends without it. */
const LET_GO_MS = 30_000

/**
 * Executes the first machine, the master, and through it the others.
 *
 * @param from the master's state to begin with, where what is before it was done already
 * @example await executeStateMachines(compileStateMachines(plan), { runId }, { invoke, notify, signal })
 * @throws Run.Cancelled when the signal aborted
 * @throws Run.StateMachineFailed when the master failed
 */
export async function executeStateMachines(
  machines: readonly StateMachine[],
  input: { readonly runId: string } & JsonObject,
  services: MachineServices,
  from?: string,
): Promise<JsonObject> {
  const [first] = machines
  assert(first !== undefined, 'a plan compiles to at least a master machine')
  const { name, definition } = first
  const master = { name, definition: { ...definition, StartAt: from ?? definition.StartAt } }
  const execution = new Execution(machines, input.runId, services)
  const stop = (): void => execution.stop()
  services.signal.addEventListener('abort', stop, { once: true })
  try {
    return await execution.run(master, input)
  } catch (error) {
    if (services.signal.aborted) throw sluiceError('Run.Cancelled', {})
    const { name, message } = rootOf(error)
    throw sluiceError('Run.StateMachineFailed', { error: name, cause: message }, { cause: error })
  } finally {
    services.signal.removeEventListener('abort', stop)
    await execution.letGo()
  }
}

/** One execution of a master and of what it starts. */
class Execution {
  readonly #machines: ReadonlyMap<string, StateMachine>
  readonly #runId: string
  readonly #services: MachineServices
  readonly #clock: Clock
  readonly #working = new Set<Promise<unknown>>()
  /** One for each task at work; the run's own signal has a single listener, however many they are. */
  readonly #stops = new Set<AbortController>()

  constructor(machines: readonly StateMachine[], runId: string, services: MachineServices) {
    this.#machines = new Map(machines.map((machine) => [machineReference(machine.name), machine]))
    this.#runId = runId
    this.#services = services
    this.#clock = services.clock ?? systemClock
  }

  async run(machine: StateMachine, input: JsonObject): Promise<JsonObject> {
    const { StateMachine: Interpreter } = library()
    const tasks = taskStates(machine.definition)
    const { retryDelayMs, signal } = this.#services
    // Every machine that is emitted has been through the validator in the tests; here it would cost more than the run.
    const interpreter = new Interpreter(machine.definition as never, { validationOptions: { noValidate: true } })
    const execution = interpreter.run(input as never, {
      context: { Execution: { Id: this.#runId, Name: this.#runId } },
      overrides: {
        taskResourceLocalHandlers: Object.fromEntries(
          tasks.map(([name, state]) => [name, (given) => this.#perform(state, given as JsonObject) as never]),
        ),
        ...(retryDelayMs === undefined
          ? {}
          : { retryIntervalOverrides: Object.fromEntries(tasks.map(([name]) => [name, retryDelayMs])) }),
      },
    })
    const told = this.#tell(machine.name, execution.eventLogs)
    const abort = (): void => execution.abort()
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      return (await execution.result) as JsonObject
    } finally {
      signal.removeEventListener('abort', abort)
      await told
    }
  }

  /** Stops every task at work. */
  stop(): void {
    for (const stop of this.#stops) stop.abort()
  }

  /** Waits until what was stopped has let go, so that nothing of a run goes on after it; not for ever. */
  async letGo(): Promise<void> {
    if (this.#working.size === 0) return
    const waited = new AbortController()
    await Promise.race([Promise.allSettled(this.#working), this.#clock.sleep(LET_GO_MS, waited.signal)])
    waited.abort()
  }

  async #perform(state: TaskState, parameters: JsonObject): Promise<JsonObject> {
    // After an abort the library may still come for the retry that it was waiting for.
    if (this.#services.signal.aborted) throw stateError('ExecutionAborted', 'The run was cancelled.', 'beyond Catch')
    checkPayload(parameters)
    const result = await this.#service(state, parameters)
    checkPayload(result)
    return result
  }

  async #service(state: TaskState, parameters: JsonObject): Promise<JsonObject> {
    const service = state.Resource.slice('arn:aws:states:::'.length)
    if (service === 'lambda:invoke') {
      const payload = parameters['Payload'] as JsonObject
      return { StatusCode: 200, Payload: await this.#invoke(payload, secondsOf(state, parameters)) }
    }
    if (service === 'states:startExecution.sync:2') return this.#startExecution(parameters)
    assert(service === 'sns:publish', `the state machines use only services that are known here, not ${service}`)
    await this.#services.notify(parameters['Message'] as JsonObject)
    return {}
  }

  async #invoke(payload: JsonObject, seconds: number): Promise<JsonObject> {
    const stop = new AbortController()
    const done = new AbortController()
    this.#stops.add(stop)
    const work = this.#services
      .invoke(payload, stop.signal)
      .catch((error: unknown) => Promise.reject(asLambdaError(error)))
    const settled = work.then(
      () => undefined,
      () => undefined,
    )
    this.#working.add(settled)
    void settled.then(() => this.#working.delete(settled))
    const late = this.#clock.sleep(seconds * 1000, done.signal).then(() => {
      if (done.signal.aborted) return work
      stop.abort()
      throw stateError('States.Timeout', `The task was stopped after ${seconds} seconds.`)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      done.abort()
      this.#stops.delete(stop)
    }
  }

  /** As the `.sync:2` integration answers: the output parsed, or `States.TaskFailed` with the nested execution's error as its cause. */
  async #startExecution(parameters: JsonObject): Promise<JsonObject> {
    const reference = parameters['StateMachineArn'] as string
    const machine = this.#machines.get(reference)
    assert(machine !== undefined, `the machine ${reference} was compiled`)
    try {
      return { Status: 'SUCCEEDED', Output: await this.run(machine, parameters['Input'] as JsonObject) }
    } catch (error) {
      const { name, message } = rootOf(error)
      throw stateError('States.TaskFailed', JSON.stringify({ Status: 'FAILED', Error: name, Cause: message }))
    }
  }

  async #tell(machine: string, events: AsyncIterable<object>): Promise<void> {
    const { onState } = this.#services
    if (onState === undefined) return
    for await (const event of events as AsyncIterable<LibraryEvent>)
      onState({
        machine,
        type: event.type,
        ...(event.state === undefined ? {} : { state: event.state.name }),
        ...(event.index === undefined ? {} : { index: event.index }),
        ...(event.retry === undefined ? {} : { attempt: event.retry.attempt }),
        ...(event.Error === undefined ? {} : { error: event.Error }),
      })
  }
}

interface LibraryEvent {
  readonly type: string
  readonly state?: { readonly name: string }
  readonly index?: number
  readonly retry?: { readonly attempt: number }
  readonly Error?: string
}

/** All Task states with their names, those inside Maps too. */
function taskStates(definition: StateMachineDefinition): readonly (readonly [string, TaskState])[] {
  return Object.entries(definition.States).flatMap(([name, state]) => {
    if (state.Type === 'Task') return [[name, state] as const]
    return state.Type === 'Map' ? taskStates(state.ItemProcessor) : []
  })
}

/** The seconds that a state allows. The emitted paths have two steps, and lead to the same place before and after `Parameters`. */
function secondsOf(state: TaskState, parameters: JsonObject): number {
  if (state.TimeoutSecondsPath === undefined) return state.TimeoutSeconds ?? limits.timeoutSeconds
  const seconds = (parameters['Payload'] as JsonObject)['timeoutSeconds']
  assert(state.TimeoutSecondsPath === '$.Payload.timeoutSeconds', 'timeouts come with the payload')
  assert(typeof seconds === 'number', 'a task comes with its timeout')
  return seconds
}

/** Refuses what AWS would refuse; no Catch sees it there either. */
function checkPayload(payload: JsonObject): void {
  const bytes = byteLength(payload)
  if (bytes > limits.payloadBytes)
    throw stateError(
      'States.DataLimitExceeded',
      `A payload of ${bytes} bytes is above the limit of ${limits.payloadBytes}.`,
      'beyond Catch',
    )
}

/** An error of the Amazon States Language. The library asks an error itself whether it may be retried and caught. */
function stateError(name: string, cause: string, reach: 'beyond Catch' | 'caught' = 'caught'): Error {
  const caught = reach === 'caught'
  return Object.assign(new Error(cause), { name, isRetryable: caught, isCatchable: caught })
}

/** As AWS Lambda reports what a function threw: by its name, with the message in a JSON cause. */
function asLambdaError(error: unknown): Error {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) }
  return stateError(name, JSON.stringify({ errorType: name, errorMessage: message }))
}

/** The error inside the library's wrapping. */
function rootOf(error: unknown): Error {
  if (error instanceof Error && error.name === 'ExecutionError' && error.cause instanceof Error) return error.cause
  return error instanceof Error ? error : stateError('Error', String(error))
}

/**
 * Parts of the library that a run never reaches, and that take ten times as long to load as all the rest: its client of AWS Lambda, because every
 * task has a handler here, and its validator, because it is told not to validate. Reached all the same, they would fail, as nothing is in them.
 */
const unreached = ['@aws-sdk/client-lambda', '@aws-sdk/credential-providers', 'asl-validator']

/** Loaded with the first run. Required, not imported: what it needs is CommonJS, which costs twice as much to import. */
function library(): typeof import('aws-local-stepfunctions') {
  // Node 20 does not have it, and the library calls it at the first Task.
  const promises = Promise as unknown as { withResolvers?: () => unknown }
  promises.withResolvers ??= () => {
    const parts: Record<string, unknown> = {}
    parts['promise'] = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
    return parts
  }
  const require = createRequire(import.meta.url)
  const file = require.resolve('aws-local-stepfunctions')
  const { resolve } = createRequire(file)
  const empty = unreached.map((name) => resolve(name)).filter((path) => require.cache[path] === undefined)
  for (const path of empty) require.cache[path] = { id: path, filename: path, loaded: true, exports: {} } as NodeModule
  try {
    return require(file)
  } finally {
    // Whoever else asks for them gets the real ones.
    for (const path of empty) delete require.cache[path]
  }
}
