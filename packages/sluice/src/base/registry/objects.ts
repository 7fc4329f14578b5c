/** 456x and 457x: storage and inboxes on S3. */
import { entry } from './entry.ts'

/** Errors of a bucket, of the way to it and of the right to use it. */
export const objectErrors = {
  'Storage.CredentialsMissing': entry<{ path: string; detail: string }>({
    code: 'SLU4560',
    title: 'No AWS credentials were found.',
    message: ({ path, detail }) => `"${path}" could not be used: no credentials were found (${detail}).`,
    hint: () =>
      'Sign in (aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Nothing was written.',
    retry: 'terminal',
    exit: 3,
    explanation: 'Credentials are found as the AWS CLI finds them; a configuration never holds them.',
  }),
  'Storage.CredentialsExpired': entry<{ path: string; detail: string }>({
    code: 'SLU4561',
    title: 'The AWS credentials have expired.',
    message: ({ path, detail }) => `"${path}" could not be used: the credentials have expired (${detail}).`,
    hint: () => 'Sign in again (aws sso login, say), then: sluice retry. Committed versions are unharmed.',
    retry: 'terminal',
    exit: 3,
    explanation: 'Credentials that can be refreshed are refreshed; these cannot.',
  }),
  'Storage.BucketDenied': entry<{ path: string; detail: string }>({
    code: 'SLU4562',
    title: 'S3 denied access.',
    message: ({ path, detail }) => `"${path}" could not be used: S3 denied access (${detail}).`,
    hint: () =>
      'Sluice needs s3:ListBucket, s3:ListBucketMultipartUploads (and s3:ListBucketVersions of an inbox) on the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on its objects; and the rights to its KMS key, where it has one. Committed versions are unharmed.',
    retry: 'terminal',
    exit: 3,
    explanation:
      'Without s3:ListBucket, S3 says AccessDenied of an object that does not exist, so that right is needed for reading, too.',
  }),
  'Storage.NoBucket': entry<{ bucket: string; detail: string }>({
    code: 'SLU4563',
    title: 'A bucket does not exist.',
    message: ({ bucket, detail }) => `There is no bucket "${bucket}" (${detail}).`,
    hint: () => 'Correct the name in the configuration, or create the bucket, which Sluice does not do.',
    retry: 'terminal',
    exit: 2,
  }),
  'Storage.WrongRegion': entry<{ bucket: string; region: string; detail: string }>({
    code: 'SLU4564',
    title: 'The region is not that of the bucket.',
    message: ({ bucket, region, detail }) =>
      `Bucket "${bucket}" was asked in the wrong region${region === '' ? '' : `; it is in ${region}`} (${detail}).`,
    hint: ({ region }) =>
      `Set the region in the configuration: s3: { region: '${region === '' ? '…' : region}' }; or AWS_REGION.`,
    retry: 'terminal',
    exit: 2,
  }),
  'Storage.ClockSkew': entry<{ path: string; detail: string }>({
    code: 'SLU4565',
    title: 'The clock of this machine is wrong.',
    message: ({ path, detail }) =>
      `"${path}" could not be used: S3 refuses requests of a machine whose clock is more than 15 minutes off (${detail}).`,
    hint: () => 'Set the clock of this machine (by NTP), then run the command again. Nothing was written.',
    retry: 'terminal',
    exit: 3,
  }),
  'Storage.Throttled': entry<{ path: string; detail: string }>({
    code: 'SLU4566',
    title: 'S3 asks for fewer requests.',
    message: ({ path, detail }) => `"${path}" could not be used: S3 still throttles after several tries (${detail}).`,
    hint: () => 'Run the command again later, or with a lower concurrency. Committed versions are unharmed.',
    retry: 'transient',
    exit: 3,
    explanation: 'Fault LK-08.',
  }),
  'Storage.ForeignWriter': entry<{ path: string; why: string }>({
    code: 'SLU4567',
    title: 'Another program writes to the lake.',
    message: ({ path, why }) => `"${path}" was changed by another program: ${why}.`,
    hint: () =>
      'Below the path of a lake only Sluice may write. Find the other writer (a sync, a lifecycle rule, a replication), then: sluice doctor',
    retry: 'terminal',
    exit: 1,
    explanation:
      'An object is written with the digest of its bytes, and read in one version of it from the first byte to the last. Faults LK-03, LK-05, LK-07.',
  }),
  'Storage.ListingIncomplete': entry<{ prefix: string; missing: string }>({
    code: 'SLU4568',
    title: 'A store does not list what it has.',
    message: ({ prefix, missing }) =>
      `The listing of "${prefix}" lacks "${missing}", which was written and is there: this store lists with a delay.`,
    hint: () =>
      'Nothing was decided by the listing. A lake needs a store that lists at once what was written, as S3 does; run the command again, or use another store.',
    retry: 'transient',
    exit: 3,
  }),
  'Storage.Unversioned': entry<{ bucket: string }>({
    code: 'SLU4570',
    title: 'A bucket that files are delivered to keeps no versions.',
    message: ({ bucket }) =>
      `Bucket "${bucket}" has no versioning, so nothing says whether an object is still the one that was read. Nothing was read or moved.`,
    hint: () =>
      "Turn versioning on for the bucket. Or accept an object's tag, size and time as its identity, in the configuration: s3: { identity: 'content' }",
    retry: 'terminal',
    exit: 2,
    explanation:
      'Two deliveries of one name in the same second with the same content are one by tag, size and time. Faults IN-24, IN-25.',
  }),
  'Storage.Unreachable': entry<{ path: string; detail: string }>({
    code: 'SLU4569',
    title: 'S3 cannot be reached.',
    message: ({ path, detail }) => `"${path}" could not be used: S3 did not answer after several tries (${detail}).`,
    hint: () =>
      'Check the network and the endpoint, then run the command again: what was done and not answered is recognised. Committed versions are unharmed.',
    retry: 'transient',
    exit: 3,
  }),
}
