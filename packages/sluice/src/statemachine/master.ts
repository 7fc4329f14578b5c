/** The master machine: all that a run does, from its start to the notifications of its end. */
import { limits } from './limits.ts'
import { call, type MachineContext, publish, retryTask } from './states.ts'
import type { Catcher, PayloadTemplate, State, StateMachineDefinition } from './types.ts'

/** The one error of a failed run; what happened is its cause. Names that begin with `States.` may not be raised again. */
export const RUN_FAILED = 'SluiceRunFailed'

/** Where a run goes on that was started already, by whoever executes the text. */
export const AFTER_START = 'Work'

/** Where a run goes on that was stopped. */
export const AT_FINISH = 'Finish'

/** Before a run has an entry in the ledger, and after it has its end there. */
const CATCH_BROKEN: readonly Catcher[] = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Publish error' }]

/** Whatever goes wrong in between, the run is finished: what was left is settled, and notifications are sent. */
const CATCH_WORK: readonly Catcher[] = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.start.error', Next: AT_FINISH }]

/**
 * What stands for a machine's ARN in the text, until it is deployed (`DefinitionSubstitutions`) or executed here.
 *
 * @example machineReference('shop-stage') // '${StateMachine_shop_stage}'
 */
export function machineReference(name: string): string {
  return `\${StateMachine_${name.replaceAll('-', '_')}}`
}

/** The run that was started, as every call after the start has it. */
const started: PayloadTemplate = { 'runId.$': '$.runId', 'fencingToken.$': '$.start.fencingToken' }

/**
 * The master: starts the run, runs the layers one after the other, finishes, and tells of it. A layer goes on past failed tasks; that some have
 * failed is what the verdict is for.
 *
 * @example masterMachine('shop', [{ layer: 'raw', reference: machineReference('shop-raw') }], context)
 */
export function masterMachine(
  project: string,
  layers: readonly { readonly layer: string; readonly reference: string }[],
  context: MachineContext,
): StateMachineDefinition {
  return {
    Comment: `Sluice: ${project}`,
    StartAt: 'Start',
    States: { ...startStates(), ...workStates(layers, context), ...endStates() },
  }
}

function startStates(): Record<string, State> {
  return {
    Start: {
      Comment: 'Takes the leases of the pipelines, plans from what is committed, and begins the entry in the ledger',
      ...call({ 'runId.$': '$.runId', step: 'start' }),
      ResultSelector: {
        'fencingToken.$': '$.Payload.fencingToken',
        'kind.$': '$.Payload.kind',
        'task.$': '$.Payload.task',
        'error.$': '$.Payload.error',
      },
      ResultPath: '$.start',
      Catch: CATCH_BROKEN,
      Next: AFTER_START,
    },
  }
}

function workStates(
  layers: readonly { readonly layer: string; readonly reference: string }[],
  context: MachineContext,
): Record<string, State> {
  const names = layers.map(({ layer }, n) => `Layer ${n} ${layer}`.slice(0, limits.nameLength))
  const states: Record<string, State> = {
    [AFTER_START]: {
      Type: 'Choice',
      Comment: 'Whether there is nothing to do, the one task of a command, or the tasks of the plan',
      Choices: [
        { Variable: '$.start.kind', StringEquals: 'nothing', Next: AT_FINISH },
        { Variable: '$.start.kind', StringEquals: 'command', Next: 'Command' },
      ],
      Default: names[0] ?? 'Compact',
    },
    Command: {
      Comment: 'Runs the one task of a command: a rollback, a comparison with a server, an acceptance',
      ...call({ ...started, 'task.$': '$.start.task' }),
      Retry: retryTask(context),
      ResultPath: null,
      TimeoutSeconds: limits.timeoutSeconds,
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Settle command' }],
      Next: AT_FINISH,
    },
    'Settle command': {
      Comment: 'Makes its error the outcome of the task, unless it left one',
      ...call({ ...started, 'settle.$': '$.start.task', 'error.$': '$.error' }),
      ResultPath: null,
      Catch: CATCH_WORK,
      Next: AT_FINISH,
    },
  }
  for (const [n, { layer, reference }] of layers.entries())
    states[names[n]!] = {
      Type: 'Task',
      Comment: `Runs the tasks of the layer ${layer}, wave after wave`,
      Resource: 'arn:aws:states:::states:startExecution.sync:2',
      Parameters: {
        StateMachineArn: reference,
        Input: { ...started, layer, 'AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$': '$$.Execution.Id' },
      },
      ResultPath: null,
      TimeoutSeconds: limits.timeoutSeconds,
      Catch: CATCH_WORK,
      Next: names[n + 1] ?? 'Compact',
    }
  states['Compact'] = {
    Comment: 'Writes small files of tables that the run has committed to together',
    ...call({ ...started, step: 'compact' }),
    ResultPath: null,
    // Tables are as they are, and another run tries again.
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.compact', Next: AT_FINISH }],
    Next: AT_FINISH,
  }
  return states
}

function endStates(): Record<string, State> {
  return {
    [AT_FINISH]: {
      Comment: 'Settles what was left, sums up, writes the end into the ledger, and gives the verdict',
      ...call({ ...started, step: 'finish', 'error.$': '$.start.error' }),
      ResultSelector: {
        'status.$': '$.Payload.status',
        'cause.$': '$.Payload.cause',
        'message.$': '$.Payload.message',
      },
      ResultPath: '$.result',
      Catch: CATCH_BROKEN,
      Next: 'Notify',
    },
    Notify: {
      Comment: 'Sends webhooks and mail, writes the outbox and the console, and remembers which lags were reported',
      ...call({ ...started, step: 'notify' }),
      ResultPath: null,
      // What is committed stays committed when nobody could be told.
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: 'Verdict' }],
      Next: 'Verdict',
    },
    Verdict: {
      Type: 'Choice',
      Comment: 'Whether the run has succeeded',
      Choices: [{ Variable: '$.result.status', StringEquals: 'succeeded', Next: 'Publish success' }],
      Default: 'Publish failure',
    },
    'Publish success': {
      Comment: 'Tells the topic',
      ...publish('Sluice: the run succeeded', '$.result.message'),
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: 'Clean' }],
      Next: 'Clean',
    },
    Clean: {
      Comment: 'Once a day: removes versions beyond their retention, and what crashed attempts left',
      ...call({ ...started, step: 'clean' }),
      ResultPath: null,
      // What cannot be removed now is removed another day.
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.clean', Next: 'Succeeded' }],
      Next: 'Succeeded',
    },
    Succeeded: { Type: 'Succeed' },
    'Publish failure': {
      Comment: 'Tells the topic',
      ...publish('Sluice: the run failed', '$.result.message'),
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: 'Failed' }],
      Next: 'Failed',
    },
    Failed: { Type: 'Fail', Error: RUN_FAILED, CausePath: '$.result.cause' },
    'Publish error': {
      Comment: 'Tells the topic of a run that could not start, or not be finished',
      ...publish('Sluice: the run failed', { 'runId.$': '$.runId', status: 'failed', 'error.$': '$.error' }),
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: 'Broken' }],
      Next: 'Broken',
    },
    Broken: { Type: 'Fail', Error: RUN_FAILED, CausePath: '$.error.Cause' },
  }
}
