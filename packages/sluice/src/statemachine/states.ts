/** Parts of states that several machines share: what is retried, and how somebody is informed. */
import { registry } from '../base/registry.ts'
import type { PayloadTemplate, Retrier, TaskState } from './types.ts'

/** What the text of the machines depends on beside the plan. */
export interface MachineContext {
  /** Tasks at a time. */
  readonly concurrency: number
  /** Names of errors after which a task is tried again. */
  readonly transientErrors: readonly string[]
}

/** What AWS Lambda itself raises and a second call may not meet. */
const LAMBDA_ERRORS = [
  'Lambda.AWSLambdaException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.SdkClientException',
  'Lambda.ServiceException',
  'Lambda.TooManyRequestsException',
]

/** How often a transient error is tried again. */
export const maxRetries = 3

/** Every attempt waits longer than the one before, and no two tasks wait equally long. */
const BACKOFF = { MaxAttempts: maxRetries, BackoffRate: 2, MaxDelaySeconds: 60, JitterStrategy: 'FULL' } as const

/**
 * What a step of the run itself is tried again after: nothing of its own. What `Settle` could not write `Finish` settles, and on a disk that is full
 * every task would wait for it as long as for the task.
 */
const RETRY_CALL: readonly Retrier[] = [{ ErrorEquals: LAMBDA_ERRORS, IntervalSeconds: 2, ...BACKOFF }]

/** Seconds to hand a message to a topic. */
const PUBLISH_TIMEOUT_SECONDS = 300

/**
 * The names of all errors of the registry after which the same again may succeed, sorted.
 *
 * @example transientErrors().includes('Engine.DiskFull') // true
 */
export function transientErrors(): readonly string[] {
  return Object.entries(registry)
    .filter(([, { retry }]) => retry === 'transient')
    .map(([name]) => name)
    .sort()
}

/**
 * What a task is tried again after: errors that are known to pass. `States.Timeout` is not among them: the same work over the same inputs would
 * need as long again, and three more attempts would only hide a limit that is too low.
 *
 * @example retryTask({ concurrency: 2, transientErrors: ['Run.Busy'] })
 */
export function retryTask({ transientErrors }: MachineContext): readonly Retrier[] {
  const own = transientErrors.length > 0 ? [{ ErrorEquals: transientErrors, IntervalSeconds: 1, ...BACKOFF }] : []
  return [...own, ...RETRY_CALL]
}

/** Seconds for a step of the run itself, where nothing else is said. */
const STEP_TIMEOUT_SECONDS = 3600

/**
 * A call of the function, with references; the state that it is spread into says what comes next.
 *
 * @example { ...call({ 'runId.$': '$.runId', step: 'start' }), ResultPath: '$.start', Next: 'Work' }
 */
export function call(
  payload: PayloadTemplate,
): Pick<TaskState, 'Resource' | 'Parameters' | 'TimeoutSeconds' | 'Retry'> & { readonly Type: 'Task' } {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: '${TaskFunction}', Payload: payload },
    TimeoutSeconds: STEP_TIMEOUT_SECONDS,
    Retry: RETRY_CALL,
  }
}

/**
 * A message to the topic of the project, or the path of one; the state that it is spread into says what comes next.
 *
 * @example { ...publish('Sluice: the run succeeded', { 'runId.$': '$.runId' }), Next: 'Succeeded' }
 */
export function publish(
  subject: string,
  message: PayloadTemplate | `$.${string}`,
): Pick<TaskState, 'Resource' | 'Parameters' | 'TimeoutSeconds' | 'Retry' | 'ResultPath'> & { readonly Type: 'Task' } {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::sns:publish',
    Parameters: {
      TopicArn: '${Topic}',
      Subject: subject,
      ...(typeof message === 'string' ? { 'Message.$': message } : { Message: message }),
    },
    ResultPath: null,
    TimeoutSeconds: PUBLISH_TIMEOUT_SECONDS,
    Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 2, ...BACKOFF }],
  }
}
