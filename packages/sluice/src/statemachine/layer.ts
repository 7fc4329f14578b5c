/** The machine of one layer: wave after wave, each a Map over its tasks. */
import { limits } from './limits.ts'
import { call, type MachineContext, publish, retryTask } from './states.ts'
import type { MapState, State, StateMachineDefinition } from './types.ts'

/** A task as the machine needs it. */
export interface MachineTask {
  readonly task: string
  readonly timeoutSeconds: number
}

/**
 * The layer's machine. Each wave is a Pass that brings the list of its tasks and a Map that invokes the function for each. A task that has failed
 * for good is settled and told of, and its siblings go on; what needed it finds out by its outcome.
 *
 * @example layerMachine('stage', [[{ task: 'model:stage.sales', timeoutSeconds: 3600 }]], context)
 */
export function layerMachine(
  layer: string,
  waves: readonly (readonly MachineTask[])[],
  context: MachineContext,
): StateMachineDefinition {
  const steps = waves.flatMap((wave) => chunks(wave, limits.tasksPerMap))
  const states: Record<string, State> = {}
  for (const [n, tasks] of steps.entries()) {
    states[`Tasks ${n}`] = {
      Type: 'Pass',
      Comment: 'The tasks that nothing but earlier ones keeps waiting',
      Result: tasks.map((task) => ({ ...task })),
      ResultPath: '$.tasks',
      Next: `Wave ${n}`,
    }
    states[`Wave ${n}`] = wave(n, context, n + 1 < steps.length ? `Tasks ${n + 1}` : 'Done')
  }
  states['Done'] = {
    Type: 'Pass',
    Comment: 'The outcomes are in the ledger',
    Parameters: { 'runId.$': '$.runId', 'layer.$': '$.layer' },
    End: true,
  }
  return { Comment: `Sluice: layer ${layer}`, StartAt: steps.length > 0 ? 'Tasks 0' : 'Done', States: states }
}

function wave(n: number, context: MachineContext, next: string): MapState {
  return {
    Type: 'Map',
    Comment: 'Runs each task of the wave',
    ItemsPath: '$.tasks',
    // The item has the place of the handler's payload already, so that $.Payload.timeoutSeconds is the same path in the state's input and in
    // its effective parameters: interpreters differ in which of them TimeoutSecondsPath is resolved against.
    ItemSelector: {
      Payload: {
        'runId.$': '$.runId',
        'fencingToken.$': '$.fencingToken',
        'task.$': '$$.Map.Item.Value.task',
        'timeoutSeconds.$': '$$.Map.Item.Value.timeoutSeconds',
      },
    },
    MaxConcurrency: context.concurrency,
    ItemProcessor: {
      ProcessorConfig: { Mode: 'INLINE' },
      StartAt: `Run ${n}`,
      States: {
        [`Run ${n}`]: {
          Type: 'Task',
          Comment: 'Runs one task: it leaves its outcome in the ledger, or throws',
          Resource: 'arn:aws:states:::lambda:invoke',
          Parameters: { FunctionName: '${TaskFunction}', 'Payload.$': '$.Payload' },
          ResultSelector: { 'task.$': '$.Payload.task', 'status.$': '$.Payload.status' },
          TimeoutSecondsPath: '$.Payload.timeoutSeconds',
          Retry: retryTask(context),
          Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: `Settle ${n}` }],
          End: true,
        },
        [`Settle ${n}`]: {
          Comment:
            'Makes the error the outcome of the task, unless it left one: of one that ended without a word, that it is lost',
          ...call({
            'runId.$': '$.Payload.runId',
            'fencingToken.$': '$.Payload.fencingToken',
            'settle.$': '$.Payload.task',
            'error.$': '$.error',
          }),
          ResultSelector: { 'status.$': '$.Payload.status' },
          ResultPath: '$.settled',
          Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: `Notify ${n}` }],
          Next: `Settled ${n}`,
        },
        [`Settled ${n}`]: {
          Type: 'Choice',
          Comment: 'Whether it has failed: an earlier attempt may have left an outcome',
          Choices: [{ Variable: '$.settled.status', StringEquals: 'failed', Next: `Notify ${n}` }],
          Default: `Left ${n}`,
        },
        [`Left ${n}`]: {
          Type: 'Pass',
          Comment: 'It was left as it is by an attempt that came first, or cancelled',
          Parameters: { 'task.$': '$.Payload.task', 'status.$': '$.settled.status' },
          End: true,
        },
        [`Notify ${n}`]: {
          Comment: 'Tells the topic that a task has failed',
          ...publish('Sluice: a task failed', {
            'runId.$': '$.Payload.runId',
            'task.$': '$.Payload.task',
            status: 'failed',
            'error.$': '$.error',
          }),
          // A failed task is not failed twice because nobody could be told.
          Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: `Failed ${n}` }],
          Next: `Failed ${n}`,
        },
        [`Failed ${n}`]: {
          Type: 'Pass',
          Comment: 'Its siblings go on',
          Parameters: { 'task.$': '$.Payload.task', status: 'failed' },
          End: true,
        },
      },
    },
    // The ledger has the outcomes; the next wave needs none of them.
    ResultPath: null,
    Next: next,
  }
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size))
}
