// SPDX-License-Identifier: Apache-2.0
#include "core/runs/rendezvous.h"

#include <gtest/gtest.h>

namespace espalier::runs {

TEST(Rendezvous, OfOneProcessIsNobodysPlace)
{
    const auto alone = rendezvousFrom({{"MASTER_ADDR", "left-over"}, {"WORLD_SIZE", "4"}});
    ASSERT_TRUE(alone);
    EXPECT_FALSE(alone->placed());
    EXPECT_EQ(alone->worldSize, 1);
}

TEST(Rendezvous, FollowsTorchrun)
{
    const auto place = rendezvousFrom({{"RANK", "5"},
                                       {"WORLD_SIZE", "8"},
                                       {"LOCAL_RANK", "1"},
                                       {"LOCAL_WORLD_SIZE", "4"},
                                       {"MASTER_ADDR", "node0"},
                                       {"MASTER_PORT", "29400"},
                                       {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                       {"TORCHELASTIC_RESTART_COUNT", "2"},
                                       {"SLURM_PROCID", "1"}, // srun started torchrun, once on each machine
                                       {"SLURM_NTASKS", "2"}});
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_EQ(place->launcher, Launcher::Torchrun);
    EXPECT_EQ(place->rank, 5);
    EXPECT_EQ(place->worldSize, 8);
    EXPECT_EQ(place->localRank, 1);
    EXPECT_EQ(place->localWorldSize, 4);
    EXPECT_EQ(place->address, "node0");
    EXPECT_EQ(place->port, 29400);
    EXPECT_TRUE(place->agentHoldsStore);
    EXPECT_EQ(place->restart, 2);
}

TEST(Rendezvous, NeedsNoAddressWhereRankZeroTellsIt)
{
    const auto place = rendezvousFrom({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"ESPALIER_MEETING_FILE", "/shared/here.json"}});
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_EQ(place->address, "");
    EXPECT_EQ(place->port, 0);
    EXPECT_EQ(place->meetingFile, "/shared/here.json");
}

TEST(Rendezvous, FollowsSlurm)
{
    const auto place = rendezvousFrom({{"SLURM_PROCID", "5"},
                                       {"SLURM_LOCALID", "1"},
                                       {"SLURM_NTASKS", "7"},
                                       {"SLURM_NODEID", "2"},
                                       {"SLURM_TASKS_PER_NODE", "2(x3),1"},
                                       {"SLURM_NODELIST", "gpu[008-010,12],other"},
                                       {"SLURM_STEP_ID", "0"},
                                       {"ENVIRONMENT", "BATCH"},
                                       {"PMI_RANK", "5"}, // Slurm speaks PMI too
                                       {"PMI_SIZE", "7"},
                                       {"SLURM_RESTART_COUNT", "1"}});
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_EQ(place->launcher, Launcher::Slurm);
    EXPECT_EQ(place->rank, 5);
    EXPECT_EQ(place->worldSize, 7);
    EXPECT_EQ(place->localRank, 1);
    EXPECT_EQ(place->localWorldSize, 2);
    EXPECT_EQ(place->address, "gpu008");
    EXPECT_EQ(place->port, 0);
    EXPECT_EQ(place->restart, 1);
    // A step may have fewer tasks than its job.
    const auto step = rendezvousFrom(
        {{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"MASTER_ADDR", "x"}, {"MASTER_PORT", "1"}});
    ASSERT_TRUE(step);
    EXPECT_EQ(step->worldSize, 2);
    EXPECT_EQ(step->address, "x");
    EXPECT_EQ(step->port, 1);
}

TEST(Rendezvous, KnowsABatchScriptThatSrunDidNotStart)
{
    const auto script = rendezvousFrom({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "0"}, {"ENVIRONMENT", "BATCH"}});
    ASSERT_TRUE(script);
    EXPECT_FALSE(script->placed());
    const auto oneTask = rendezvousFrom({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"SLURM_STEP_ID", "0"}});
    ASSERT_TRUE(oneTask);
    EXPECT_FALSE(oneTask->placed()); // it starts its ranks itself
}

TEST(Rendezvous, FollowsOpenMpiAndMpich)
{
    const auto open = rendezvousFrom({{"OMPI_COMM_WORLD_RANK", "3"},
                                      {"OMPI_COMM_WORLD_SIZE", "4"},
                                      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                      {"SLURM_PROCID", "1"}, // mpirun's daemons are started by Slurm
                                      {"SLURM_NTASKS", "2"}});
    ASSERT_TRUE(open) << open.error().message;
    EXPECT_EQ(open->launcher, Launcher::OpenMpi);
    EXPECT_EQ(open->rank, 3);
    EXPECT_EQ(open->localRank, 1);
    EXPECT_EQ(open->localWorldSize, 2);
    EXPECT_EQ(open->address, "");
    const auto mpich = rendezvousFrom({{"PMI_RANK", "2"},
                                       {"PMI_SIZE", "3"},
                                       {"MPI_LOCALRANKID", "0"},
                                       {"MPI_LOCALNRANKS", "1"},
                                       {"SLURM_PROCID", "1"},
                                       {"SLURM_NTASKS", "2"}});
    ASSERT_TRUE(mpich) << mpich.error().message;
    EXPECT_EQ(mpich->launcher, Launcher::Pmi);
    EXPECT_EQ(mpich->rank, 2);
    EXPECT_EQ(mpich->worldSize, 3);
    EXPECT_EQ(mpich->localWorldSize, 1);
}

TEST(Rendezvous, RefusesWhatIsMissingOrContradictsItselfByName)
{
    struct Case {
        Variables variables;
        std::vector<const char*> named;
    };
    for (const auto& each :
         {Case{{{"RANK", "1"}}, {"RANK", "WORLD_SIZE", "torchrun"}}, Case{{{"RANK", "two"}, {"WORLD_SIZE", "4"}}, {"RANK=two"}},
          Case{{{"RANK", "4"}, {"WORLD_SIZE", "4"}}, {"RANK=4", "WORLD_SIZE=4"}},
          Case{{{"RANK", "0"}, {"WORLD_SIZE", "0"}}, {"WORLD_SIZE=0"}},
          Case{{{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "3"}}, {"LOCAL_RANK=3", "rank 1"}},
          Case{{{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "2"}, {"LOCAL_WORLD_SIZE", "2"}},
               {"LOCAL_RANK=2", "LOCAL_WORLD_SIZE=2"}},
          Case{{{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "2"}, {"LOCAL_WORLD_SIZE", "5"}}, {"LOCAL_WORLD_SIZE=5"}},
          Case{{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}, {"MASTER_ADDR", "MASTER_PORT"}},
          Case{{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}}, {"MASTER_PORT=70000"}},
          Case{{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}}, {"MASTER_ADDR"}},
          Case{{{"OMPI_COMM_WORLD_RANK", "1"}}, {"OMPI_COMM_WORLD_SIZE", "mpirun"}},
          Case{{{"OMPI_COMM_WORLD_SIZE", "2"}}, {"OMPI_COMM_WORLD_RANK"}}, Case{{{"PMI_RANK", "0"}}, {"PMI_SIZE", "mpiexec"}},
          Case{{{"SLURM_PROCID", "0"}}, {"SLURM_NTASKS", "srun"}},
          Case{{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_NODELIST", "node[1-"}}, {"SLURM_NODELIST=node[1-"}},
          Case{{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_TASKS_PER_NODE", "2(x"}}, {"SLURM_TASKS_PER_NODE=2(x"}}}) {
        const auto place = rendezvousFrom(each.variables);
        ASSERT_FALSE(place) << each.named.front();
        EXPECT_EQ(place.error().code, ErrorCode::Usage);
        for (const auto* name : each.named)
            EXPECT_NE(place.error().message.find(name), std::string::npos) << place.error().message;
    }
}

TEST(SlurmLists, AreReadAsSlurmWritesThem)
{
    using Hosts = std::vector<std::string>;
    EXPECT_EQ(slurmHosts("node7"), Hosts({"node7"}));
    EXPECT_EQ(slurmHosts("a[01-03,10]-ib,b"), Hosts({"a01-ib", "a02-ib", "a03-ib", "a10-ib", "b"}));
    EXPECT_EQ(slurmHosts("n[099-101]"), Hosts({"n099", "n100", "n101"}));
    for (const auto* wrong : {"", ",", "a[", "a]", "a[3-1]", "a[x]", "a[1-99999999]"})
        EXPECT_FALSE(slurmHosts(wrong)) << wrong;
    EXPECT_EQ(slurmTasks("2(x3),1"), std::vector<int>({2, 2, 2, 1}));
    EXPECT_EQ(slurmTasks("4"), std::vector<int>({4}));
    for (const auto* wrong : {"", "x", "2(x0)", "2(x3", "0", "1(x99999999)"})
        EXPECT_FALSE(slurmTasks(wrong)) << wrong;
}

} // namespace espalier::runs
