/** The master machine: layer after layer, then the verdict, then the message. */
import { limits } from './limits.ts'
import { type MachineContext, publish, retryTask } from './states.ts'
import type { Catcher, State, StateMachineDefinition } from './types.ts'

/** The one error of a failed run; what happened is its cause. Names that begin with `States.` may not be raised again. */
export const RUN_FAILED = 'SluiceRunFailed'

/** Seconds for the last look at a run's ledger. */
const FINISH_TIMEOUT_SECONDS = 300

/** Anything that goes wrong is told, and ends the run as failed. */
const CATCH_ALL: readonly Catcher[] = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Notify failure' }]

/**
 * What stands for a machine's ARN in the text, until it is deployed (`DefinitionSubstitutions`) or executed here.
 *
 * @example machineReference('shop-stage') // '${StateMachine_shop_stage}'
 */
export function machineReference(name: string): string {
  return `\${StateMachine_${name.replaceAll('-', '_')}}`
}

/**
 * The master: runs the layers one after the other, asks the handler for the verdict, and tells of it. A layer goes on past failed tasks;
 * that some have failed is what the verdict is for.
 *
 * @example masterMachine('shop', [{ layer: 'raw', reference: machineReference('shop-raw') }], context)
 */
export function masterMachine(
  project: string,
  layers: readonly { readonly layer: string; readonly reference: string }[],
  context: MachineContext,
): StateMachineDefinition {
  const names = layers.map(({ layer }, n) => `Layer ${n} ${layer}`.slice(0, limits.nameLength))
  const states: Record<string, State> = {}
  for (const [n, { layer, reference }] of layers.entries())
    states[names[n]!] = {
      Type: 'Task',
      Resource: 'arn:aws:states:::states:startExecution.sync:2',
      Parameters: {
        StateMachineArn: reference,
        Input: { 'runId.$': '$.runId', layer, 'AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$': '$$.Execution.Id' },
      },
      ResultPath: null,
      TimeoutSeconds: limits.timeoutSeconds,
      Catch: CATCH_ALL,
      Next: names[n + 1] ?? 'Finish',
    }
  states['Finish'] = {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: '${TaskFunction}', Payload: { 'runId.$': '$.runId', finish: true } },
    ResultSelector: { 'status.$': '$.Payload.status' },
    ResultPath: '$.result',
    TimeoutSeconds: FINISH_TIMEOUT_SECONDS,
    Retry: retryTask(context),
    Catch: CATCH_ALL,
    Next: 'Notify success',
  }
  states['Notify success'] = {
    ...publish('Sluice: the run succeeded', { 'runId.$': '$.runId', status: 'succeeded' }),
    // What is committed stays committed when nobody could be told.
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: 'Succeeded' }],
    Next: 'Succeeded',
  }
  states['Succeeded'] = { Type: 'Succeed' }
  states['Notify failure'] = {
    ...publish('Sluice: the run failed', { 'runId.$': '$.runId', status: 'failed', 'error.$': '$.error' }),
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notification', Next: 'Failed' }],
    Next: 'Failed',
  }
  states['Failed'] = { Type: 'Fail', Error: RUN_FAILED, CausePath: '$.error.Cause' }
  return { Comment: `Sluice: ${project}`, StartAt: names[0] ?? 'Finish', States: states }
}
