# shellcheck shell=bash disable=SC2154
# `kafka tool DIR NAME ARGS..`: Kafka's own tools, under one name and with 4.x's option names whatever
# the version. Read by `kafka`, whose `dir`, `jvm`, `die` and `usage` it uses.

tool() {
  local version name=${1:-} class server args
  [[ -n $name ]] || usage
  shift
  version=$(cat "$dir/version")
  class=$(tool_class "$version" "$name") || die "Kafka $version has no tool called '$name' here"
  server=$(cat "$dir/bootstrap")
  args=("$@")
  [[ $version != 3.* ]] || mapfile -d '' -t args < <(old_option_names "$name" "$@")
  case $version:$name in
    *:dump-log) dump_log "$class" "$@"; return ;;
    3.*:producer-perf)
      echo "bootstrap.servers=$server" >"$dir/producer.properties"
      args=(--producer.config "$dir/producer.properties" "${args[@]}") ;;
    *:transactional-copier) args=(--broker-list "$server" "${args[@]}") ;;
    *) args=(--bootstrap-server "$server" "${args[@]}") ;;
  esac
  # shellcheck disable=SC2046 # several flags
  jvm $(tool_flags "$name") "$class" "${args[@]}"
}

tool_class() {
  local tools=org.apache.kafka.tools
  case $1:$2 in
    3.*:console-producer)    echo kafka.tools.ConsoleProducer ;;
    3.*:dump-log)            echo kafka.tools.DumpLogSegments ;;
    3.*:api-versions)        echo kafka.admin.BrokerApiVersionsCommand ;;
    3.*:acls)                echo kafka.admin.AclCommand ;;
    3.*:all-groups)          return 1 ;;
    3.*:share-* | 3.*:*-share-* | 3.*:streams-*) return 1 ;;
    *:configs)               echo kafka.admin.ConfigCommand ;;
    *:console-producer)      echo $tools.ConsoleProducer ;;
    *:console-consumer)      echo $tools.consumer.ConsoleConsumer ;;
    *:console-share-consumer) echo $tools.consumer.ConsoleShareConsumer ;;
    *:dump-log)              echo $tools.DumpLogSegments ;;
    *:api-versions)          echo $tools.BrokerApiVersionsCommand ;;
    *:acls)                  echo $tools.AclCommand ;;
    *:topics)                echo $tools.TopicCommand ;;
    *:groups)                echo $tools.consumer.group.ConsumerGroupCommand ;;
    *:all-groups)            echo $tools.GroupsCommand ;;
    *:share-groups)          echo $tools.consumer.group.ShareGroupCommand ;;
    *:streams-groups)        echo $tools.streams.StreamsGroupCommand ;;
    *:producer-perf)         echo $tools.ProducerPerformance ;;
    *:consumer-perf)         echo $tools.ConsumerPerformance ;;
    *:share-consumer-perf)   echo $tools.ShareConsumerPerformance ;;
    *:verifiable-producer)   echo $tools.VerifiableProducer ;;
    *:verifiable-consumer)   echo $tools.VerifiableConsumer ;;
    *:verifiable-share-consumer) echo $tools.VerifiableShareConsumer ;;
    *:transactional-copier)  echo $tools.TransactionalMessageCopier ;;
    *:transactions)          echo $tools.TransactionsCommand ;;
    *:offsets)               echo $tools.GetOffsetShell ;;
    *:delete-records)        echo $tools.DeleteRecordsCommand ;;
    *:leader-election)       echo $tools.LeaderElectionCommand ;;
    *:reassign)              echo $tools.reassign.ReassignPartitionsCommand ;;
    *:log-dirs)              echo $tools.LogDirsCommand ;;
    *:features)              echo $tools.FeatureCommand ;;
    *:quorum)                echo $tools.MetadataQuorumCommand ;;
    *:client-metrics)        echo $tools.ClientMetricsCommand ;;
    *:read-back)             echo "$here/../java/ReadBack.java" ;; # ours
    *) return 1 ;;
  esac
}

# What moves many records needs the good compiler; all others are over before it would pay.
tool_flags() {
  case $1 in
    *-perf) echo -Xmx512m ;;
    read-back) echo -Xmx1g ;;
    *) echo -Xmx256m -XX:TieredStopAtLevel=1 ;;
  esac
}

# Callers write the option names of 4.x.
old_option_names() {
  local role=consumer arg
  [[ $1 != *producer* ]] || role=producer
  for arg in "${@:2}"; do
    case $1:$arg in
      producer-perf:--command-property)      arg=--producer-props ;;
      consumer-perf:--num-records)           arg=--messages ;;
      console-*:--reader-property)           arg=--property ;;
      console-*:--formatter-property)        arg=--property ;;
      console-*:--command-property)          arg=--$role-property ;;
      *-producer:--command-config)           arg=--$role.config ;;
      *-consumer:--command-config)           arg=--$role.config ;;
      *-perf:--command-config)               arg=--$role.config ;;
    esac
    printf '%s\0' "$arg"
  done
}

# `dump-log [ID/]TOPIC-PARTITION OPTIONS` reads every segment that broker ID (or the first that has
# the partition) holds; with an option in first place all arguments are Kafka's.
dump_log() {
  local class=$1 at=${2:-} segments
  [[ -n $at ]] || usage
  if [[ $at == --* ]]; then jvm -Xmx256m "$class" "${@:2}"; return; fi
  case $at in
    */*) segments=("$dir/${at%%/*}/data/${at#*/}"/*.log) ;;
    *) segments=("$dir"/[0-9]*/data/"$at"/*.log); segments=("${segments[0]%/*}"/*.log) ;;
  esac
  [[ -e ${segments[0]} ]] || die "no broker in $dir holds $at"
  jvm -Xmx256m "$class" --print-data-log --files "$(IFS=,; echo "${segments[*]}")" "${@:3}"
}
